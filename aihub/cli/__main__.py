from aihub.cli.main import main

main()
