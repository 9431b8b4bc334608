"""`/api/v1/auth/…`: tokens for people."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aihub.api import validated
from aihub.fields import TextField
from aihub.problems import N_
from ops.identity.credentials import unauthorized
from ops.identity.tokens import token_end, tokens_for, tokens_refresh


class TokenInput(serializers.Serializer[None]):
    username = TextField(max_length=150)
    password = TextField(max_length=1024, trim_whitespace=False)


class RefreshInput(serializers.Serializer[None]):
    refresh = TextField(max_length=4096)


class TokenOutput(serializers.Serializer[None]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class _OpenView(APIView):
    """Takes credentials in its body, none in a header."""

    authentication_classes: Any = ()
    permission_classes = (AllowAny,)


class TokenView(_OpenView):
    """An access and a refresh token for a user name and password."""

    @extend_schema(request=TokenInput, responses=TokenOutput)
    def post(self, request: Request) -> Response:
        user = authenticate(request._request, **validated(TokenInput, request.data))
        if user is None:
            raise unauthorized(N_("The user name or the password is wrong."))
        update_last_login(None, user)  # type: ignore[arg-type]
        return Response(tokens_for(user))


class RefreshView(_OpenView):
    """New tokens for a refresh token, which is used up by it."""

    @extend_schema(request=RefreshInput, responses=TokenOutput)
    def post(self, request: Request) -> Response:
        return Response(tokens_refresh(validated(RefreshInput, request.data)["refresh"]))


class LogoutView(_OpenView):
    """Use up a refresh token."""

    @extend_schema(request=RefreshInput, responses={204: None})
    def post(self, request: Request) -> Response:
        token_end(validated(RefreshInput, request.data)["refresh"])
        return Response(status=204)
