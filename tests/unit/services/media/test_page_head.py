"""What pages say of themselves, and what hostile ones cannot do."""

from __future__ import annotations

import pytest

from xinyu_services.media.page_head import (
    DESCRIPTION_CHARACTERS,
    SITE_CHARACTERS,
    TITLE_CHARACTERS,
    PageHead,
    read_head,
)

EMPTY = PageHead("", "", "", "")


def head(page: str, content_type: str = "text/html; charset=utf-8") -> PageHead:
    return read_head(page.encode(), content_type)


def test_open_graph_comes_before_title_and_description() -> None:
    page = """<!doctype html><html><head><title>Plain</title>
        <meta name="description" content="plain words">
        <meta property=og:title content='Tom &amp; &quot;Jerry&quot;'><META CONTENT="a > b" PROPERTY="OG:Description">
        <meta property="og:image" content=" /cat.png "><meta property="og:site_name" content="Cartoons" />
        <meta property="og:title" content="the second one"></head>"""
    assert head(page) == PageHead('Tom & "Jerry"', "a > b", "/cat.png", "Cartoons")


def test_title_and_description_alone() -> None:
    assert head("<title lang=en>\n A\t&lt;b&gt; \n\u4f60</title><meta name=Description content=x>") == PageHead(
        "A <b> 你", "x", "", ""
    )


@pytest.mark.parametrize(
    "page",
    ["", "text", "<", "<title", "<title>", "<title>x", "<meta", "<meta property=og:title content='x", "<titles>",
     "<body><title>x</title>", "</head><title>x</title>", "<meta content=x>", "<meta property=og:title>", "\0" * 100],
)  # fmt: skip
def test_pages_that_say_nothing(page: str) -> None:
    assert head(page) == EMPTY


def test_texts_are_one_line_and_cut() -> None:
    found = head(
        f"<title>{'t' * 3_000}</title><meta name=description content=\"{'d ' * 1_000}\">"
        f"<meta property=og:site_name content={'s' * 900}>"
    )
    assert [len(found.title), len(found.site_name)] == [TITLE_CHARACTERS, SITE_CHARACTERS]
    assert DESCRIPTION_CHARACTERS - 1 <= len(found.description) <= DESCRIPTION_CHARACTERS
    assert found.title.endswith("t…")
    assert head("<title>a\u202eb\u200b\x07c\u2028d</title>").title == "abc d", "what does not show is not shown"


@pytest.mark.parametrize(
    ("charset", "decoder"),
    [("utf-8", "utf-8"), ("GBK", "gbk"), ("gb2312", "gbk"), ("Big5", "big5"), ("shift_jis", "cp932"),
     ("EUC-KR", "euc_kr")],
)  # fmt: skip
def test_charsets_of_header_and_page(charset: str, decoder: str) -> None:
    for text in ("中文" if decoder != "cp932" else "日本",):
        page = f"<title>{text}</title>".encode(decoder)
        assert read_head(page, f"text/html; charset={charset}").title == text
        assert read_head(page, f'text/html;charset = "{charset}"').title == text
        assert read_head(f"<meta charset='{charset}'>".encode() + page, "text/html").title == text
        http_equiv = f'<meta http-equiv="Content-Type" content="text/html; charset={charset}">'.encode()
        assert read_head(http_equiv + page, "text/html").title == text


def test_other_charsets() -> None:
    assert read_head("<title>é</title>".encode("cp1252"), "text/html; charset=iso-8859-1").title == "é"
    assert read_head(b"\xff\xfe" + "<title>é</title>".encode("utf-16-le"), "text/html").title == "é"
    assert read_head(b"\xef\xbb\xbf<title>\xc3\xa9</title>", "text/html; charset=gbk").title == "é"
    assert read_head(b"<meta charset=utf-16><title>\xc3\xa9</title>", "text/html").title == "é"
    for name in ("zlib", "punycode", "idna", "unicode_escape", "utf-7", "x" * 300, "../x"):
        assert read_head(b"<title>\xc3\xa9</title>", f"text/html; charset={name}").title == "é"
    assert read_head(b"<title>a\xff</title>", "text/html").title == "a\ufffd"


@pytest.mark.parametrize(
    "piece",
    ["<meta ", "<title>", "<title ", "<meta a='", '<meta a="b" ', "a=", "<", '"', "&",
     "<meta property=og:title content=x>", "&#", "&amp", "<meta " + "a" * 50, " = ", "<!--", "</title"],
)  # fmt: skip
def test_half_a_megabyte_of_anything_is_read(piece: str) -> None:
    """The suite's own time-out is the bound: what took the square of its length would be hours."""
    head((piece * (512 * 1024 // len(piece) + 1))[: 512 * 1024])
