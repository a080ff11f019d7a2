"""Token, size, time, and room: what the service refuses."""

import asyncio
import contextlib

import httpx2
import pytest
from starlette.testclient import TestClient

from keras_resnet.serving import Limits, Service, application, images
from tests.photos import encode
from tests.serving.nets import colored

PHOTO = encode(colored((200, 100, 50)))


@contextlib.asynccontextmanager
async def running(artifacts, limits):
    """A service in this event loop, and a client with concurrent requests."""
    service = Service(artifacts, limits)
    async with service.running():
        transport = httpx2.ASGITransport(application(service))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            yield service, client


async def until(condition):
    """Waits until a condition holds that the service will fulfill."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_service_with_a_token_answers_those_who_have_it(start, artifacts):
    client = start(artifacts, token="sésame")
    for header in ({}, {"Authorization": "Bearer sesame"}, {"Authorization": "Basic sésame".encode()}):
        for path in ("/v1/models", "/metrics", "/v2/models/colors", "/nothing"):
            answer = client.get(path, headers=header)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post("/predict", content=PHOTO, headers=header).status_code == 401
    authorized = {"Authorization": "Bearer sésame".encode()}
    assert client.post("/predict", content=PHOTO, headers=authorized).status_code == 200
    assert client.get("/metrics", headers=authorized).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_and_the_page_need_no_token(start, artifacts, path):
    assert start(artifacts, token="secret").get(path).status_code == 200


def test_other_origins_get_no_permission(client):
    answer = client.post("/predict", content=PHOTO, headers={"Origin": "http://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/predict", headers={"Origin": "http://elsewhere.example"}).status_code == 405


def test_large_bodies_are_refused(start, artifacts):
    client = start(artifacts, Limits(max_body_mb=0.001))
    answer = client.post("/predict", content=bytes(1001))
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "The body has 0.0 MB or more; this service takes 0.001 MB."},
    )
    assert client.post("/predict", content=bytes(1000)).status_code == 400  # not an image


def test_large_bodies_of_unknown_size_are_not_read_to_their_end(artifacts):
    read = []

    async def endless():
        while True:
            read.append(1000)
            yield bytes(1000)

    async def run():
        async with running(artifacts, Limits(max_body_mb=0.01)) as (service, client):
            answer = await client.post("/predict", content=endless())
            return answer.status_code, service.body_bytes, service.under_way

    assert asyncio.run(run()) == (413, 0, 0)
    assert sum(read) < 15_000


def test_bodies_take_a_limited_amount_of_memory(artifacts):
    async def run():
        async with running(artifacts, Limits(max_body_mb=0.01)) as (service, client):
            last = asyncio.Event()

            async def slow():
                yield bytes(9000)
                await last.wait()

            held = [asyncio.create_task(client.post("/predict", content=slow())) for _ in range(17)]
            await until(lambda: service.body_bytes == 17 * 9000)
            answer = await client.post("/predict", content=bytes(9000))
            last.set()
            codes = {(await request).status_code for request in held}
            return answer, codes, service.body_bytes

    answer, codes, left = asyncio.run(run())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert (codes, left) == ({400}, 0)


def test_a_full_queue_answers_429(gated):
    async def run():
        async with running({"colors": gated}, Limits(max_queue=3)) as (service, client):
            waiting = [asyncio.create_task(client.post("/predict", content=PHOTO)) for _ in range(3)]
            await until(lambda: service.under_way == 3)
            refused = await client.post("/predict", content=PHOTO)
            health = await client.get("/healthz")
            gated.gate.set()
            return refused, health.status_code, [(await request).status_code for request in waiting]

    refused, health, codes = asyncio.run(run())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json() == {"error": "Too many requests are under way; try again later."}
    assert (health, codes) == (200, [200, 200, 200])


def test_requests_past_their_time_are_neither_computed_nor_served(gated):
    async def run():
        async with running({"colors": gated}, Limits(max_batch=1, timeout_s=0.3)) as (service, client):
            requests = [asyncio.create_task(client.post("/predict", content=PHOTO)) for _ in range(4)]
            answers = [await request for request in requests]
            gated.gate.set()
            [model] = service.models.values()
            await until(lambda: len(gated.batches) == 1 and not model.queue.waiting)
            later = await client.post("/predict", content=PHOTO)
            return answers, later.status_code, model.queue.admitted_images

    answers, later, admitted = asyncio.run(run())
    assert {answer.status_code for answer in answers} == {504}
    assert answers[0].json() == {"error": "The model did not answer within 0.3 s; send fewer images, or try again."}
    assert (later, admitted) == (200, 0)
    assert gated.batches == [1, 1]  # the first of the four, which was under way, and the later one


def test_slow_bodies_are_answered_408(artifacts):
    async def run():
        async def slow():
            yield b"x"
            await asyncio.Event().wait()

        async with running(artifacts, Limits(timeout_s=0.2)) as (service, client):
            answer = await client.post("/predict", content=slow())
            return answer.status_code, answer.json(), service.body_bytes

    assert asyncio.run(run()) == (408, {"error": "The body did not arrive within 0.2 s."}, 0)


def test_a_bad_image_in_a_batch_fails_alone(gated):
    async def run():
        async with running({"colors": gated}, Limits()) as (service, client):
            bodies = [PHOTO, b"broken", PHOTO, PHOTO[:-40], PHOTO]
            requests = [asyncio.create_task(client.post("/predict", content=body)) for body in bodies]
            await until(lambda: service.under_way == 3)
            gated.gate.set()
            return [(await request).status_code for request in requests]

    assert asyncio.run(run()) == [200, 400, 200, 400, 200]
    assert sum(gated.batches) == 3


def test_a_stopping_service_refuses_new_requests_but_not_probes(start, artifacts):
    client = start(artifacts)
    client.app.service.draining = True
    answer = client.post("/predict", content=PHOTO)
    assert (answer.status_code, answer.json()) == (503, {"error": "The service is stopping."})
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (503, {"ready": False})
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_batch": 0}, "max_batch=0 must be a positive integer."),
        ({"max_queue": 1.5}, "max_queue=1.5 must be a positive integer."),
        ({"max_delay_ms": -1}, "max_delay_ms=-1 must not be negative."),
        ({"max_body_mb": 0}, "max_body_mb=0 must be above 0."),
        ({"timeout_s": float("nan")}, "timeout_s=nan must be a finite number."),
    ],
)
def test_limits_out_of_range_are_refused(limits, sentence):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (the whole message is compared)
        Limits(**limits)
    assert str(refused.value) == sentence


def test_names_that_do_not_fit_into_a_url_are_refused(artifacts):
    with pytest.raises(ValueError, match=r"The name 'a b' of a model must be letters, digits"):
        Service({"a b": artifacts["colors"]})


def test_an_empty_token_is_refused(artifacts):
    with pytest.raises(ValueError, match="The token is empty; give None for a service without a token"):
        Service(artifacts, token="")


def test_an_error_of_the_service_itself_gets_a_sentence(artifacts, monkeypatch):
    def decode_image(*_):
        raise MemoryError

    monkeypatch.setattr(images, "decode_image", decode_image)
    service = Service(artifacts)
    with TestClient(application(service), raise_server_exceptions=False) as client:
        answer = client.post("/predict", content=PHOTO)
        assert (answer.status_code, answer.json()) == (500, {"error": "The service failed; see its log."})
        assert client.get("/healthz").status_code == 200
    assert (service.models["colors"].queue.admitted_images, service.under_way) == (0, 0)


def asked(service, method, path, receive, send):
    """Passes a request to a service as a server does, by functions that receive from the client and send to it."""
    headers = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}

    async def run():
        async with service.running():
            await application(service)(headers, receive, send)

    asyncio.run(run())


def test_a_client_that_leaves_while_it_sends_is_counted_as_such(artifacts):
    messages = [{"type": "http.request", "body": PHOTO[:9], "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        pass

    service = Service(artifacts)
    asked(service, "POST", "/predict", receive, send)
    assert 'keras_resnet_requests_total{path="/predict",code="499"} 1' in service.metrics.text()
    assert (service.body_bytes, service.under_way) == (0, 0)


def test_a_client_that_does_not_read_gets_no_second_response(artifacts):
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    service = Service(artifacts, Limits(timeout_s=0.2))
    asked(service, "GET", "/healthz", receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert 'keras_resnet_requests_total{path="/healthz",code="200"} 1' in service.metrics.text()
