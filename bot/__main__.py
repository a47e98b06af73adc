"""The command line: `python -m bot` runs the bot."""

from __future__ import annotations

import asyncio
import sys


def main() -> None:
    from bot import logs
    from bot.app import serve
    from bot.errors import EaselError
    from bot.settings import Settings, platforms, read

    try:
        settings = read(Settings)[0]
        logs.configure(settings.log_level)
        asyncio.run(serve(settings, platforms(settings)))
    except EaselError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
