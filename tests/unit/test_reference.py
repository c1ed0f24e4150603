"""References to images: a table made from the distribution project's grammar, and what holds for all of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.kinds import ImageReference, RegistryName, RepositoryName
from bot.reference import DOCKER_HUB, Reference, is_registry, names_registry, parse

HEX = "0123456789abcdef"
SHA256 = f"sha256:{HEX * 4}"

# What is typed before the repository -> the registry that it names.
_REGISTRIES = {
    "": DOCKER_HUB,
    "docker.io/": DOCKER_HUB,
    "index.docker.io/": DOCKER_HUB,
    "localhost/": "localhost",
    "localhost:5000/": "localhost:5000",
    "registry.example.com/": "registry.example.com",
    "registry.example.com:443/": "registry.example.com:443",
    "REGISTRY/": "REGISTRY",
    "Upper.Example.com/": "Upper.Example.com",
    "a:1/": "a:1",
    "127.0.0.1:5055/": "127.0.0.1:5055",
    "10.0.0.1/": "10.0.0.1",
    "[::1]/": "[::1]",
    "[2001:db8::1]:5000/": "[2001:db8::1]:5000",
    "xn--7o8h.com/": "xn--7o8h.com",
    "1-2.3-4/": "1-2.3-4",
}
# A repository's path as it is typed.
_REPOSITORIES = (
    "web", "team/web", "a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d/e", "1.2_3__4-5/x", "team/web.io/app",
)  # fmt: skip
# What is typed behind -> tag, digest.
_ENDS = {
    "": ("", ""),
    ":1": ("1", ""),
    ":latest": ("latest", ""),
    ":V1.4_rc-2": ("V1.4_rc-2", ""),
    ":_": ("_", ""),
    f"@{SHA256}": ("", SHA256),
    f":1.4@{SHA256}": ("1.4", SHA256),
}


def _made_of_parts() -> list[tuple[str, Reference]]:
    """Every combination; of single words Docker Hub keeps the official images, under `library/`."""
    made = []
    for (typed, registry), path, (end, (tag, digest)) in itertools.product(
        _REGISTRIES.items(), _REPOSITORIES, _ENDS.items()
    ):
        if typed == "" and path.startswith(("1.2", "a.b/")):
            continue  # a dot in the first of several parts makes it a registry
        official = registry == DOCKER_HUB and "/" not in path
        repository = f"library/{path}" if official else path
        made.append(
            (
                f"{typed}{path}{end}",
                Reference(registry=registry, repository=repository, tag=tag, digest=digest),
            )
        )
    return made


def _hub(repository: str, tag: str = "", digest: str = "") -> Reference:
    return Reference(registry=DOCKER_HUB, repository=repository, tag=tag, digest=digest)


# The corners, each from a line of the grammar or of Docker's rule for short names.
_CORNERS = [
    ("sha256:" + HEX * 4, _hub("library/sha256", HEX * 4)),
    (HEX * 4 + ":1", _hub("library/" + HEX * 4, "1")),
    ("docker.io/" + HEX * 4, _hub("library/" + HEX * 4)),
    ((HEX * 4)[:63], _hub("library/" + (HEX * 4)[:63])),
    ("library/web", _hub("library/web")),
    ("docker.io/library/web", _hub("library/web")),
    ("docker.io/localhost/web", _hub("localhost/web")),
    ("local.host/web", Reference(registry="local.host", repository="web")),
    ("localhostx/web", _hub("localhostx/web")),
    ("web:5000/app", Reference(registry="web:5000", repository="app")),
    ("web:1/2", Reference(registry="web:1", repository="2")),
    ("web:5000", _hub("library/web", "5000")),
    ("a.b/c", Reference(registry="a.b", repository="c")),
    ("a.b", _hub("library/a.b")),
    ("web:" + "t" * 128, _hub("library/web", "t" * 128)),
    ("a" * 237, _hub("library/" + "a" * 237)),
    ("x.y/" + "a" * 251, Reference(registry="x.y", repository="a" * 251)),
    ("web@sha512:" + HEX * 8, _hub("library/web", digest="sha512:" + HEX * 8)),
    ("web@sha384:" + HEX * 6, _hub("library/web", digest="sha384:" + HEX * 6)),
    ("web@md5:" + HEX * 2, _hub("library/web", digest="md5:" + HEX * 2)),
    ("web@md5+b64u:" + "AB" * 16, _hub("library/web", digest="md5+b64u:" + "AB" * 16)),
    ("web@a.b_c-d+e:" + HEX * 3, _hub("library/web", digest="a.b_c-d+e:" + HEX * 3)),
    ("[fe80::1]/web", Reference(registry="[fe80::1]", repository="web")),
    ("[FE80::1]:1/web:1", Reference(registry="[FE80::1]:1", repository="web", tag="1")),
]

VALID = [*_made_of_parts(), *_CORNERS]

_BAD_REPOSITORIES = (
    "Web", "team/Web", "WEB", "-web", "web-", "_web", "web_", ".web", "web.", "a..b", "a._b", "a_.b", "a___b", "a.-b",
    "a-.b", "a/-b", "a/b-", "a//b", "a/", "/a", "/", "a/b/", "a b", " a", "a ", "a\n", "a\tb", "ä", "a/ä", "a+b", "a~b",
    "a$b", "a%20b", "a\\b", "a'b", "a;b", "a|b", "a&b", "../a", "a/../b", "./a", "a*", "a?", "a,b", "a=b", "(a)", "{a}",
    "a#b", "a!b", "a^b", "a<b", "a>b", 'a"b', "a`b", "a\0b",
)  # fmt: skip
_BAD_TAGS = (
    "", ".1", "-1", "1/2", "1 2", "1:2", "ä", "1+2", "1$", "1\n", "t" * 129, "1@", "@", "1~2", "*", "1,2", "1=2",
)  # fmt: skip
_BAD_DIGESTS = (
    "", "sha256", "sha256:", f":{HEX * 4}", "sha256:" + HEX, "sha256:" + "g" * 64, f"sha256:{HEX * 4}0",
    "sha256:" + (HEX * 4)[:63],
    "sha256:" + "A" * 64, "sha512:" + HEX * 4, "sha384:" + HEX * 4, f"256:{HEX * 4}", f"sha-:{HEX * 4}",
    f"-sha:{HEX * 4}",
    f"sha..2:{HEX * 4}", f"sha+2:{HEX * 4}", "md5:" + HEX + HEX[:15], f"sha256:{HEX * 4}\n", f"sha256:sha256:{HEX * 4}",
    f"sha256:{HEX * 4}@sha256:{HEX * 4}", f"sha256:{HEX * 4}:1", f"sha 256:{HEX * 4}", f"sh/a:{HEX * 4}",
    f"ä:{HEX * 4}",
)  # fmt: skip
_BAD_REGISTRIES = (
    "-a.b", "a-.b", "a.-b", "a..b", ".a", "a.", "a.b.", "a_b.c", "a.b:", "a.b:x", "a.b:1:2", "a.b:-1", "ä.com", "[::1",
    "::1",
    "[::1]x", "[::g]", "[]", "[fe80::1%25eth0]", "[::1]:", "[::1]:x", "a b.c", "http:", "a.b,c", "a.b*", "A_", "*.b",
    "a.b:1 ",
)  # fmt: skip
INVALID = [
    "",
    HEX * 4,
    "a" * 64,
    "a" * 238,
    "x.y/" + "a" * 252,
    "docker.io/" + "a" * 246,
    "http://registry.example.com/web",
    "https://registry.example.com/web:1",
    "registry.example.com",  # one word, so a repository: but see below
    *_BAD_REPOSITORIES,
    *(f"registry.example.com/{path}" for path in _BAD_REPOSITORIES),
    *(f"web:{tag}" for tag in _BAD_TAGS if "/" not in tag),  # `web:1/2` is an image of the registry `web:1`
    *(f"registry.example.com:5000/team/web:{tag}" for tag in _BAD_TAGS),
    *(f"web@{digest}" for digest in _BAD_DIGESTS),
    *(f"registry.example.com/web:1@{digest}" for digest in _BAD_DIGESTS),
    *(f"{registry}/web" for registry in _BAD_REGISTRIES),
]
INVALID.remove("registry.example.com")  # an official image of that name, as Docker reads it


def test_the_table_is_large_enough() -> None:
    """At least three hundred different references are in it, many of each sort."""
    valid, invalid = {word for word, _ in VALID}, set(INVALID)
    assert len(valid) >= 300
    assert len(invalid) >= 150
    assert not valid & invalid


def test_what_the_grammar_allows_is_taken_apart() -> None:
    """Every valid reference gives its registry, repository, tag and digest."""
    wrong = {word: parse(word) for word, expected in VALID if parse(word) != expected}
    assert wrong == {}


@pytest.mark.parametrize("word", INVALID, ids=range(len(INVALID)))
def test_what_the_grammar_does_not_allow_is_refused(word: str) -> None:
    """Every invalid reference is refused with a sentence that says so, and that nothing was changed."""
    with pytest.raises(UsageError, match=r"is not the name of an image: .*\. Nothing was changed\."):
        parse(word)


def test_a_reference_shows_as_docker_shows_it() -> None:
    """Docker Hub's host and `library/` are left out, unless that would mean something else."""
    for word, short in {
        "docker.io/library/web:1": "web:1",
        "index.docker.io/team/web": "team/web",
        "docker.io/localhost/web": "docker.io/localhost/web",
        "docker.io/a.b/web": "docker.io/a.b/web",
        f"docker.io/library/{HEX * 4}": f"library/{HEX * 4}",
        "registry.example.com/library/web": "registry.example.com/library/web",
        f"web:1@{SHA256}": f"web:1@{SHA256}",
    }.items():
        assert str(parse(word)) == short
    assert parse("web").tagged == parse("web:latest")
    assert parse(f"web@{SHA256}").tagged == parse(f"web@{SHA256}")


def test_what_looks_like_a_registry_is_one() -> None:
    """A dot, a colon, a capital letter or `localhost` before the first slash names a registry; nothing else does."""
    for word in ("a.b/c", "a:1/c", "localhost/c", "A/c", "[::1]/c"):
        assert names_registry(word)
    for word in ("a", "a:1", "a/b", "a/b.c", "a.b", "localhost", "local/host:1"):
        assert not names_registry(word)


def test_a_host_of_the_settings_is_checked() -> None:
    """The host of a registry is a name or an address, with a port that exists, without path and scheme."""
    good = ("docker.io", "localhost", "registry", "a.b:5000", "127.0.0.1:1", "[::1]", "[::1]:65535")
    bad = ("", "a/b", "http://a", "a:0", "a:65536", "a:", "a b", "-a", "::1", "a:99999999999")
    assert [host for host in good if not is_registry(host)] == []
    assert [host for host in bad if is_registry(host)] == []


def test_kinds_keep_the_word() -> None:
    """An argument stays as it was typed, so that it can still be completed to the company's registry."""
    assert ImageReference.parse("team/web:1.4") == "team/web:1.4"
    assert RepositoryName.parse("team/web") == "team/web"
    assert RegistryName.parse("company") == "company"
    for kind, word in ((ImageReference, "Web"), (RepositoryName, "web:1"), (RegistryName, "a/b")):
        with pytest.raises(UsageError, match="Nothing was changed"):
            kind.parse(word)


_word = st.text("abc019", min_size=1, max_size=6)
_part = st.builds("{}{}{}".format, _word, st.sampled_from([".", "_", "__", "-", "---"]), _word) | _word
_registry = st.builds("{}.{}{}".format, _word, _word, st.sampled_from(["", ":5000", ":1"]))
_references = st.builds(
    lambda registry, parts, tag, digest: Reference(
        registry=registry, repository="/".join(parts), tag=tag, digest=digest
    ),
    _registry,
    st.lists(_part, min_size=1, max_size=4),
    st.just("") | st.builds("{}{}".format, _word, st.text("aZ0_.-", max_size=20)),
    st.sampled_from(["", SHA256]),
)


@given(_references)
def test_text_and_parse_are_each_other_s_opposite(made: Reference) -> None:
    """What a reference says of itself, in full or short, is read as the same reference."""
    assert parse(made.text) == made
    assert parse(made.familiar) == made
    assert len(made.familiar) <= len(made.text)


@given(st.text(max_size=80) | st.text(alphabet="aA0._-/:@[]", max_size=40))
def test_any_word_is_read_or_refused(word: str) -> None:
    """No word breaks the parser, and what it takes it gives back unchanged."""
    try:
        made = parse(word)
    except UsageError:
        return
    assert parse(made.text) == made
    assert parse(made.familiar) == made
    assert made.repository == made.repository.lower()
