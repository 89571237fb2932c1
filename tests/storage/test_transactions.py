"""One writer commits operations in groups: what one of them refuses undoes no other, what the database refuses all."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from sqlalchemy import text

from harness.storage.databases import Databases
from harness.storage.driver_sessions import DriverSession, Statement
from harness.storage.transactions import TransactionWriter, run_operation
from ontology.databases import open_database, sqlite_url
from ontology.exceptions import DatabaseUnavailable


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "words.db").render_as_string()
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def engine(url):
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS words"))
        connection.execute(text("CREATE TABLE words (word TEXT PRIMARY KEY, number BIGINT)"))
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine):
    writer = TransactionWriter(engine, name="words", takes_turns=True)
    yield writer
    writer.close()


def put(word, number=1):
    yield Statement("INSERT INTO words (word, number) VALUES (:word, :number)", {"word": word, "number": number})
    return word


def refuse(word):
    yield Statement("SELECT number FROM words WHERE word = :word", {"word": word})
    raise LookupError(word)


def words(engine):
    with engine.connect() as connection:
        return sorted(row[0] for row in connection.execute(text("SELECT word FROM words")))


def together(writer, *starts, durable=False):
    """Hand over operations while the writer is busy, so that they are one group; returns values and failures."""
    busy, go = threading.Event(), threading.Event()

    def wait():
        busy.set()
        assert go.wait(10)
        yield Statement("SELECT 1")

    async def main():
        first = asyncio.create_task(writer.run(wait))
        await asyncio.to_thread(busy.wait, 10)
        others = [asyncio.create_task(writer.run(start, durable=durable)) for start in starts]
        await asyncio.sleep(0)
        go.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    return asyncio.run(main())


def test_an_operation_returns_its_value_once_it_is_committed(writer, engine):
    assert asyncio.run(writer.run(lambda: put("a"))) == "a"
    assert writer.run_blocking(lambda: put("b")) == "b"
    assert words(engine) == ["a", "b"]


def test_a_refused_operation_undoes_none_of_its_group(writer, engine):
    before, refused, after = together(writer, lambda: put("a"), lambda: refuse("a"), lambda: put("b"))
    assert (before, after) == ("a", "b")
    assert isinstance(refused, LookupError)
    assert words(engine) == ["a", "b"]


def test_operations_of_a_group_see_what_came_before_them(writer):
    def count():
        rows = yield Statement("SELECT COUNT(*) FROM words")
        return rows[0][0]

    assert together(writer, count, lambda: put("a"), count) == [0, "a", 1]


@pytest.mark.parametrize(
    "bad",
    [
        lambda: put("a"),  # there already
        lambda: put("b", 2**70),
        lambda: put("\ud800"),
        lambda: iter([Statement("SELECT nothing FROM nowhere")]),
    ],
    ids=["constraint", "number", "text", "table"],
)
def test_a_failed_statement_fails_its_whole_group_and_nothing_of_it_is_written(writer, engine, bad):
    writer.run_blocking(lambda: put("a"))

    def generator():
        yield from bad()

    answers = together(writer, lambda: put("before"), generator, lambda: put("after"))
    assert [type(each) for each in answers] == [DatabaseUnavailable] * 3
    assert words(engine) == ["a"]
    assert writer.run_blocking(lambda: put("next")) == "next"


def test_a_cancelled_caller_takes_back_nothing_and_hurts_no_neighbour(writer, engine):
    busy, go = threading.Event(), threading.Event()

    def wait():
        busy.set()
        assert go.wait(10)
        yield Statement("SELECT 1")

    async def main():
        first = asyncio.create_task(writer.run(wait))
        await asyncio.to_thread(busy.wait, 10)
        gone, stays = (
            asyncio.create_task(writer.run(lambda: put("gone"))),
            asyncio.create_task(writer.run(lambda: put("b"))),
        )
        failing = asyncio.create_task(writer.run(lambda: refuse("x")))
        await asyncio.sleep(0)
        gone.cancel()
        failing.cancel()
        go.set()
        await first
        assert await stays == "b"
        for cancelled in (gone, failing):
            with pytest.raises(asyncio.CancelledError):
                await cancelled

    asyncio.run(main())
    assert words(engine) == ["b", "gone"]


def test_a_closed_writer_finishes_what_waits_and_takes_nothing_more(engine):
    writer = TransactionWriter(engine, name="words")
    threads = [threading.Thread(target=writer.run_blocking, args=(lambda n=n: put(f"w{n}"),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    writer.close()
    assert len(words(engine)) == 20
    with pytest.raises(RuntimeError, match="closed"):
        writer.run_blocking(lambda: put("late"))
    for late in (writer.run, writer.read):
        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(late(lambda: put("late")))


def test_a_read_waits_for_no_writing_transaction_and_sees_none_of_it(writer, url):
    def count():
        rows = yield Statement("SELECT COUNT(*) FROM words")
        return rows[0][0]

    writer.run_blocking(lambda: put("a"))
    other = open_database(url)
    session = DriverSession(other)
    session.begin()
    run_operation(session, put("b"))
    assert asyncio.run(writer.read(count)) == 1
    session.commit()
    assert asyncio.run(writer.read(count)) == 2
    session.close()
    other.dispose()


def synchronous():
    rows = yield Statement("PRAGMA synchronous")
    return rows[0][0]


def test_a_group_with_a_durable_operation_waits_for_the_disk_and_the_next_does_not(tmp_path):
    normal, full = 1, 2
    engine = open_database(sqlite_url(tmp_path / "words.db"))
    writer = TransactionWriter(engine, name="words")
    assert writer.run_blocking(synchronous) == normal
    assert writer.run_blocking(synchronous, durable=True) == full
    assert together(writer, synchronous, synchronous, durable=True) == [full, full]
    assert writer.run_blocking(synchronous) == normal
    writer.run_blocking(synchronous, durable=True)
    writer.close()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == normal
    always = TransactionWriter(engine, name="words", always_durable=True)
    assert always.run_blocking(synchronous) == full
    always.close()
    engine.dispose()


def test_names_of_parameters_may_hold_digits_and_texts_may_hold_anything(writer):
    def ask():
        rows = yield Statement(
            "SELECT CAST(:name_1 AS TEXT), CAST(:name_10 AS TEXT), ':name_1 50%', CAST(:Upper2 AS BIGINT) % 7, 'a' || :b_ "
            "WHERE 'x%' LIKE 'x%'",
            {"name_1": "one", "name_10": "ten", "Upper2": 9, "b_": "%s"},
        )
        return tuple(rows[0])

    assert writer.run_blocking(ask) == ("one", "ten", ":name_1 50%", 2, "a%s")


def test_a_cast_is_no_parameter(postgres_url):
    engine = open_database(postgres_url)
    session = DriverSession(engine)
    assert session.execute(Statement("SELECT '7'::int + :n1", {"n1": 1}))[0][0] == 8
    session.close()
    engine.dispose()


def test_a_connection_comes_back_as_others_expect_it(engine):
    session = DriverSession(engine)
    session.execute(Statement("SELECT 1"))
    session.close()
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO words VALUES ('a', 1)"))
        connection.rollback()
    assert words(engine) == []


def test_a_broken_connection_is_made_anew(postgres_url):
    engine, killer = open_database(postgres_url), open_database(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS words"))
        connection.execute(text("CREATE TABLE words (word TEXT PRIMARY KEY, number BIGINT)"))
    writer = TransactionWriter(engine, name="words", takes_turns=True)

    def who():
        rows = yield Statement("SELECT pg_backend_pid()")
        return rows[0][0]

    def die():
        with killer.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": killed[-1]})
        yield Statement("INSERT INTO words (word, number) VALUES ('never', 1)")

    killed = [writer.run_blocking(who)]
    with killer.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": killed[-1]})
    # Broken between two transactions: nobody hears of it.
    assert writer.run_blocking(lambda: put("a")) == "a"
    killed.append(writer.run_blocking(who))
    assert killed[0] != killed[1]
    # Broken within one: its group fails, the next does not.
    with pytest.raises(DatabaseUnavailable):
        writer.run_blocking(die)
    assert writer.run_blocking(lambda: put("b")) == "b"
    assert words(engine) == ["a", "b"]
    writer.close()
    engine.dispose()
    killer.dispose()


@pytest.mark.parametrize("turns", [True, False])
def test_groups_that_lock_rows_in_another_order_wait_for_their_turn(postgres_url, turns):
    """Two writers change two rows, each in its own order; only turns keep them from a deadlock."""
    engines = [open_database(postgres_url), open_database(postgres_url)]
    with engines[0].begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS words"))
        connection.execute(text("CREATE TABLE words (word TEXT PRIMARY KEY, number BIGINT)"))
        connection.execute(text("INSERT INTO words VALUES ('a', 0), ('b', 0)"))
    writers = [TransactionWriter(engine, name="words", takes_turns=turns) for engine in engines]
    both_began = threading.Barrier(2)

    def change(first, second):
        yield Statement("UPDATE words SET number = number + 1 WHERE word = :word", {"word": first})
        if not turns:
            both_began.wait(10)
        yield Statement("UPDATE words SET number = number + 1 WHERE word = :word", {"word": second})

    async def main():
        return await asyncio.gather(
            writers[0].run(lambda: change("a", "b")), writers[1].run(lambda: change("b", "a")), return_exceptions=True
        )

    failures = [each for each in asyncio.run(main()) if each is not None]
    assert len(failures) == (0 if turns else 1)
    for writer, engine in zip(writers, engines, strict=True):
        writer.close()
        engine.dispose()


def test_a_database_that_is_not_there_is_said_to_be_so(tmp_path):
    engine = open_database(sqlite_url(tmp_path / "folder" / "words.db"))
    (tmp_path / "folder").rmdir()
    writer = TransactionWriter(engine, name="words")
    for durable in (False, True):
        with pytest.raises(DatabaseUnavailable):
            writer.run_blocking(lambda: put("a"), durable=durable)
    writer.close()
    engine.dispose()


def test_money_takes_turns_and_keeps_its_holds_from_a_power_cut(tmp_path):
    databases = Databases(tmp_path)
    assert databases.money_writer.run_blocking(synchronous, durable=True) == 2
    assert databases.runs_writer.run_blocking(synchronous) == 1
    databases.close()
    databases.close()
    with pytest.raises(RuntimeError, match="closed"):
        databases.money_writer.run_blocking(synchronous)


def listed():
    rows = yield Statement("SELECT word FROM words ORDER BY word")
    return [row[0] for row in rows]


class Gate:
    """An operation that keeps the writer inside a group until it is opened, so that what comes next waits."""

    def __init__(self):
        self.entered = threading.Event()
        self.opened = threading.Event()

    def operation(self):
        self.entered.set()
        assert self.opened.wait(30)
        yield Statement("SELECT 1")


def test_a_loop_hears_nothing_of_what_its_cancelled_callers_handed_over(writer, engine):
    complaints = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        gate = Gate()
        tasks = [
            asyncio.create_task(writer.run(each)) for each in (gate.operation, lambda: put("a"), lambda: refuse("x"))
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        gate.opened.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await writer.run(lambda: put("b")) == "b"

    asyncio.run(main())
    assert complaints == []
    assert words(engine) == ["a", "b"]


def test_what_a_closed_loop_handed_over_is_run_and_the_writer_goes_on(writer, engine):
    gate = Gate()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(each) for each in (writer.run(gate.operation), writer.run(lambda: put("a")))]
    loop.run_until_complete(asyncio.sleep(0))
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
    gate.opened.set()
    assert writer.run_blocking(lambda: put("b")) == "b"
    assert asyncio.run(writer.run(listed)) == words(engine) == ["a", "b"]


def test_the_close_finishes_what_waits_behind_it_in_more_than_one_group(writer, engine):
    async def main():
        gate = Gate()
        first = asyncio.create_task(writer.run(gate.operation))
        await asyncio.to_thread(gate.entered.wait, 30)
        waiting = [asyncio.create_task(writer.run(lambda n=n: put(f"w{n:03}"))) for n in range(300)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(writer.close))
        while not writer._closed:  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0)
        gate.opened.set()
        await asyncio.gather(first, closing)
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == words(engine) == [f"w{n:03}" for n in range(300)]


def test_a_read_sees_what_is_committed_while_its_own_writer_is_inside_a_transaction(tmp_path):
    engine = open_database(sqlite_url(tmp_path / "words.db"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT PRIMARY KEY, number BIGINT)"))
    writer = TransactionWriter(engine, name="words")
    inside, go = threading.Event(), threading.Event()

    def put_and_wait():
        yield from put("b")
        inside.set()
        assert go.wait(30)

    async def main():
        await writer.run(lambda: put("a"))
        writing = asyncio.create_task(writer.run(put_and_wait))
        await asyncio.to_thread(inside.wait, 30)
        during = await writer.read(listed)
        go.set()
        await writing
        return during, await writer.read(listed)

    assert asyncio.run(main()) == (["a"], ["a", "b"])
    writer.close()
    engine.dispose()


def test_a_read_that_fails_or_refuses_says_so_and_the_next_one_works(writer):
    def nowhere():
        yield Statement("SELECT word FROM nowhere")

    async def main():
        with pytest.raises(DatabaseUnavailable, match="nowhere"):
            await writer.read(nowhere)
        with pytest.raises(LookupError):
            await writer.read(lambda: refuse("a"))
        return await writer.read(listed)

    assert asyncio.run(main()) == []


def test_a_server_that_is_not_there_fails_each_call(tmp_path):
    engine = open_database(f"postgresql://nobody@/postgres?host={tmp_path}")
    writer = TransactionWriter(engine, name="words", takes_turns=True)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="postgresql"):
            writer.run_blocking(lambda: put("a"))
    writer.close()
    engine.dispose()


@pytest.mark.parametrize("seed", range(4))
def test_many_threads_and_a_loop_at_once_each_hear_the_truth_of_their_own_operation(writer, engine, seed):
    random = Random(seed)
    # A failed statement fails its neighbours too, so only the runs without one must write everything.
    kinds = [random.choice("aaar" if seed % 2 else "aaaaaaarf") for _ in range(240)]

    def fail():
        yield Statement("INSERT INTO nowhere VALUES (1)")

    def start_of(number):
        word = f"w{number:03}"
        return {"a": lambda: put(word), "r": lambda: refuse(word), "f": fail}[kinds[number]]

    def blocking(number):
        try:
            return writer.run_blocking(start_of(number), durable=number % 5 == 0)
        except (LookupError, DatabaseUnavailable) as error:
            return error

    async def main():
        with ThreadPoolExecutor(6) as pool:
            threads = [pool.submit(blocking, number) for number in range(120)]
            tasks = [writer.run(start_of(number), durable=number % 7 == 0) for number in range(120, 240)]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            return [await asyncio.wrap_future(each) for each in threads] + answers

    answers = asyncio.run(main())
    assert words(engine) == [answer for answer in answers if isinstance(answer, str)]
    for number, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
        if isinstance(answer, DatabaseUnavailable):
            assert "f" in kinds
        elif kind == "a":
            assert answer == f"w{number:03}"
        else:
            assert kind == "r"
            assert answer.args == (f"w{number:03}",)
