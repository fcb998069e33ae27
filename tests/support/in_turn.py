"""Two transactions at once: the second begins once the first has written, and waits for its end, or need not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from django.db import IntegrityError, connection, transaction


def in_turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[str, str]:
    """What came of each: "stored", or the first line of why the database refused it. Fails unless the second waits."""
    written = Event()

    def before_the_end() -> None:
        written.set()
        for _ in range(500):
            if somebody_waits():
                return
            Event().wait(0.01)
        raise AssertionError("The second transaction did not wait for the first.")

    def later() -> str:
        try:
            assert written.wait(10)
            return _answer(second)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(later)
        return _answer(first, before_the_end), answer.result(20)


def elsewhere(act: Callable[[], object], *, at_once: bool = False) -> None:
    """Do it on a connection of its own, and commit. `at_once`: it fails where it has to wait for somebody."""

    def there() -> None:
        try:
            with transaction.atomic():
                if at_once:
                    with connection.cursor() as cursor:
                        cursor.execute("SET LOCAL lock_timeout = '500ms'")
                act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(there).result(20)


def _answer(act: Callable[[], object], then: Callable[[], None] = lambda: None) -> str:
    try:
        with transaction.atomic():
            act()
            then()
    except IntegrityError as error:
        return str(error).partition("\n")[0]
    return "stored"


def somebody_waits() -> bool:
    """Whether any connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None
