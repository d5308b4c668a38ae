import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import gtts.utils
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from speech import google as client
from speech.errors import GoogleError
from speech.sentences import Part
from tests.app.speech.google_stand_in import StandIn, StandInProxy, answer_with

TEXT = "Rendre le TP trois, demain à midi."
LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))
LONG = "Un deux trois quatre cinq six sept huit neuf dix. " * 5


def fetch(stand_in, text=TEXT, *, seconds=5.0):
    deadline = client.Deadline.after(seconds)
    return client.fetch(Part("fr", text), host=stand_in.url, deadline=deadline)


def fetch_through(proxy, *, seconds=5.0):
    """As a host does whose users have no way out: not even the name can be looked up there."""
    deadline = client.Deadline.after(seconds)
    return client.fetch(Part("fr", TEXT), host="", deadline=deadline, proxy=proxy.url)


def test_the_address_is_the_one_gtts_would_ask():
    theirs = gtts.utils._translate_url(tld="com", path="_/TranslateWebserverUi/data/batchexecute")

    assert theirs == client.HOST + client.PATH


@pytest.mark.parametrize("mood", ["good", "chunks", "gzip"])
def test_a_good_answer_is_its_audio(google, mood):
    google.behave(mood)

    assert fetch(google) == google.audio
    assert google.asked == [{"text": TEXT, "language": "fr"}]


def test_a_long_text_goes_in_parts_of_a_hundred_characters(google):
    assert fetch(google, LONG) == google.audio * 3
    assert max(len(asked["text"]) for asked in google.asked) <= 100
    assert " ".join(asked["text"] for asked in google.asked) == LONG.strip()


def test_a_text_of_too_many_requests_is_not_accepted():
    # Twenty-five words of these fill the hundred characters of a request.
    assert client.requests_for("mot " * 25 * 20) == client.MOST_REQUESTS
    assert client.requests_for("mot " * 25 * 20 + "mot") > client.MOST_REQUESTS


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("refuse", "response 429"),
        ("missing", "response 404"),
        ("redirect", "response 302"),
        ("consent", "without audio"),
        ("empty", "not MP3"),
        ("not_mp3", "not MP3"),
        ("not_base64", "cannot be decoded"),
        ("cut", "no connection|without audio"),
        ("cut_chunks", "no connection|without audio"),
        ("flood", "larger than any speech"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_why(google, mood, reason):
    google.behave(mood)

    with pytest.raises(GoogleError, match=reason):
        fetch(google)
    assert len(google.asked) == 1


@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_the_deadline_holds_whatever_the_server_does(google, mood):
    google.behave(mood)

    began = datetime.now(UTC)
    with pytest.raises(GoogleError):
        fetch(google, seconds=0.3)
    assert datetime.now(UTC) - began < timedelta(seconds=1.5)


@pytest.mark.parametrize(("more_bytes", "is_too_much"), [(0, False), (-1, True)])
def test_an_answer_has_a_largest_size(google, monkeypatch, more_bytes, is_too_much):
    size_bytes = len(answer_with(google.audio))
    monkeypatch.setattr(client, "LARGEST_RESPONSE_BYTES", size_bytes + more_bytes)

    if not is_too_much:
        assert fetch(google) == google.audio
        return
    with pytest.raises(GoogleError, match="larger than any speech"):
        fetch(google)


@pytest.mark.parametrize(("now_s", "left_s"), [(0.0, 1.5), (1.0, 0.5), (1.5, None), (2.0, None)])
def test_a_deadline_ends_at_its_instant(now_s, left_s):
    deadline = client.Deadline(1.5, clock=lambda: now_s)

    if left_s is not None:
        assert deadline.left_s() == left_s
        return
    with pytest.raises(GoogleError, match="in time"):
        deadline.left_s()


def test_the_deadline_is_for_all_parts_together(google):
    now_s = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    deadline = client.Deadline.after(2.5, clock=lambda: next(now_s))

    with pytest.raises(GoogleError, match="in time"):
        client.fetch(Part("fr", LONG), host=google.url, deadline=deadline)
    assert len(google.asked) < 3


def test_a_server_error_is_tried_once_more(google):
    google.behave("broken", "good")

    assert fetch(google) == google.audio
    assert len(google.asked) == 2


def test_two_server_errors_are_enough(google):
    google.behave("broken")

    with pytest.raises(GoogleError, match="response 500"):
        fetch(google)
    assert len(google.asked) == 2


def test_only_429_is_a_refusal(google):
    google.behave("refuse", "missing")
    errors = []
    for _ in range(2):
        with pytest.raises(GoogleError) as error:
            fetch(google)
        errors.append(error.value.is_refusal)

    assert errors == [True, False]


def test_nobody_there_is_an_error_too():
    with StandIn() as gone:
        pass

    with pytest.raises(GoogleError, match="no connection"):
        fetch(gone)


def test_a_text_without_words_is_not_sent(google):
    with pytest.raises(GoogleError, match="nothing to say"):
        fetch(google, "...")
    assert google.asked == []


def test_a_proxy_or_ca_of_the_environment_is_not_trusted(google, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")

    assert fetch(google) == google.audio


def own_certificate(folder, its_name=LOOPBACK):
    """A certificate that nobody but this test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([its_name]), True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "own.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, monkeypatch):
    path = own_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    # Not even when the environment says so: gTTS itself would not look at all.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))

    with StandIn(tls=tls) as impostor:
        with pytest.raises(GoogleError, match="SSLError"):
            fetch(impostor)
        assert impostor.asked == []


@pytest.fixture
def google_itself(tmp_path):
    """Who answers as translate.google.com, and a file with who vouches for that."""
    path = own_certificate(tmp_path, x509.DNSName("translate.google.com"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with StandIn(tls=tls) as stand_in:
        yield stand_in, str(path)


@pytest.fixture
def no_names(monkeypatch):
    """As in a unit: an address is reached, a name server is not."""
    found = socket.getaddrinfo

    def asked(host, *arguments, **options):
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_AGAIN, f"asked for {host}")
        return found(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", asked)


def test_google_is_asked_through_the_proxy_and_by_nothing_else(
    google_itself, no_names, monkeypatch
):
    stand_in, trusted = google_itself
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", trusted)

    with StandInProxy(stand_in.url) as proxy:
        assert fetch_through(proxy) == stand_in.audio
    assert proxy.asked == ["CONNECT translate.google.com:443"]
    with pytest.raises(GoogleError, match="no connection"):
        client.fetch(Part("fr", TEXT), host="", deadline=client.Deadline.after(5.0))


def test_a_proxy_cannot_answer_in_googles_place(google_itself, no_names):
    stand_in, _ = google_itself

    with StandInProxy(stand_in.url) as proxy, pytest.raises(GoogleError, match="SSLError"):
        fetch_through(proxy)
    assert stand_in.asked == []


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_a_proxy_that_refuses_or_is_silent_is_an_error_in_time(google, no_names, mood):
    began = datetime.now(UTC)
    with (
        StandInProxy(google.url, mood=mood) as proxy,
        pytest.raises(GoogleError, match="no connection"),
    ):
        fetch_through(proxy, seconds=0.3)
    assert datetime.now(UTC) - began < timedelta(seconds=1.5)
