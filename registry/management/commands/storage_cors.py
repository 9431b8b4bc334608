"""`manage.py storage_cors`: browsers of the hub's pages may send files straight to the store."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from registry.parts_s3 import CorsUnsupported, cors_allow


class Command(BaseCommand):
    help = (
        "Allow pages from AIHUB_TRUSTED_ORIGINS to send and fetch files at the S3 server's own "
        "address. Run it once, and again when the origins change."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        origins = list(settings.ENV.AIHUB_TRUSTED_ORIGINS)
        if not settings.ENV.AIHUB_S3_ENDPOINT:
            raise CommandError("Files are kept in a folder; there is no S3 server to tell.")
        if not origins:
            raise CommandError("Set AIHUB_TRUSTED_ORIGINS to where people open the hub.")
        try:
            cors_allow(origins)
        except CorsUnsupported as error:
            raise CommandError(
                f"The S3 server does not take CORS rules for a bucket ({error}). Set them where it "
                "is configured: allow PUT and GET from these origins, and expose the header ETag."
            ) from error
        self.stdout.write(f"Pages from {', '.join(origins)} may use the bucket now.")
