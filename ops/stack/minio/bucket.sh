#!/bin/sh
# Makes the hub's bucket, and a key that may use it and nothing else. Run again, it changes nothing.
# MC_HOST_minio holds MinIO's address and its administrator.
set -eu

mc mb --ignore-existing "minio/${AIHUB_S3_BUCKET}"
mc admin policy create minio aihub /etc/aihub/policy.json
mc admin user add minio "${AIHUB_S3_ACCESS_KEY}" "${AIHUB_S3_SECRET_KEY}"
# It is an error to give what is already given.
mc admin policy attach minio aihub --user "${AIHUB_S3_ACCESS_KEY}" ||
    case "$(mc admin user info minio "${AIHUB_S3_ACCESS_KEY}")" in
    *aihub*) ;;
    *) exit 1 ;;
    esac
