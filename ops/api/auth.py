"""`/api/v1/auth/…`: tokens for people."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import (
    TokenBlacklistSerializer,
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
)

from aihub.problems import N_
from ops.identity.credentials import unauthorized
from registry.api.serializers import TextField


class TokenInput(serializers.Serializer[None]):
    username = TextField(max_length=150)
    password = TextField(max_length=1024, trim_whitespace=False)


class RefreshInput(serializers.Serializer[None]):
    refresh = TextField(max_length=4096)


class TokenOutput(serializers.Serializer[None]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class _TokenView(APIView):
    """Checks the input's types, then lets simplejwt's serializer do the work."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    input: type[serializers.Serializer[None]] = RefreshInput
    serializer: type[serializers.Serializer[None]]

    def post(self, request: Request) -> Response:
        checked = self.input(data=request.data)
        checked.is_valid(raise_exception=True)
        serializer = self.serializer(data=checked.validated_data, context={"request": request})
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError:
            raise unauthorized(N_("The token is not valid or has expired.")) from None
        return Response(serializer.validated_data)


@extend_schema(request=TokenInput, responses=TokenOutput)
class TokenView(_TokenView):
    """An access and a refresh token for a user name and password."""

    input = TokenInput
    serializer = TokenObtainPairSerializer


@extend_schema(request=RefreshInput, responses=TokenOutput)
class RefreshView(_TokenView):
    """New tokens for a refresh token, which is used up by it."""

    serializer = TokenRefreshSerializer


@extend_schema(request=RefreshInput, responses={200: None})
class LogoutView(_TokenView):
    """Use up a refresh token."""

    serializer = TokenBlacklistSerializer
