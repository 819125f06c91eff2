"""The page's files by themselves: what they load exists, nothing comes from elsewhere, and no data becomes markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xinyu.base.errors import ERRORS

WEB = Path(__file__).resolve().parents[3] / "web"
MODULES = sorted(WEB.glob("*.js"))
TEXTS = [*MODULES, WEB / "index.html", WEB / "style.css", WEB / "logo.svg"]

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
    r"|\beval\(|new Function"
)
NAMESPACE = "http://www.w3.org/2000/svg"


def code_of(path: Path) -> str:
    """The text without comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"(?m)(^|\s)//.*$", "", text)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_nothing_comes_from_another_host(path: Path) -> None:
    hosts = re.findall(r"""(?:https?:)?//[\w.-]+\.\w+[^\s"'`]*""", code_of(path).replace(NAMESPACE, ""))
    assert hosts == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_data_becomes_markup_or_code(path: Path) -> None:
    assert MARKUP.findall(code_of(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_imported_name_is_exported_there_and_used_here(path: Path) -> None:
    text = code_of(path)
    for names, module in re.findall(r'import \{([^}]*)\} from "\./([\w-]+\.js)"', text):
        exported = set(re.findall(r"export (?:async )?(?:function|const|class) (\w+)", code_of(WEB / module)))
        for name in filter(None, (name.strip() for name in names.split(","))):
            assert name in exported, f"{module} has no {name}"
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is imported and not used"


def test_the_html_has_no_inline_script_style_or_handler() -> None:
    """So that the Content-Security-Policy `default-src 'self'` holds."""
    html = (WEB / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html) == []
    for name in re.findall(r'(?:href|src)="([^"]+)"', html):
        assert (WEB / name).is_file()


LANGUAGES = ("english", "chinese")


def words(language: str) -> str:
    return code_of(WEB / f"{language}.js").split(f"export const {language} = {{", 1)[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_that_is_shown_exists_and_every_text_is_shown(language: str) -> None:
    defined = set(re.findall(r"(?m)^  (\w+):", words(language)))
    used = {name for path in MODULES for name in re.findall(r"\bstrings\.(?!js\b)(\w+)", code_of(path))}
    assert used - defined == set()
    assert defined - used == set()


def test_both_languages_say_the_same_things() -> None:
    """The same keys, inner ones too, with the same values to put in."""
    pattern = r"(?m)^ +(\w+): *(\([^)]*\) =>)?"
    english, chinese = (dict(re.findall(pattern, words(language))) for language in LANGUAGES)
    reasons = set(ERRORS)
    assert {key: value for key, value in chinese.items() if key not in reasons - set(english)} == english


def test_every_refusal_has_a_chinese_sentence() -> None:
    errors = words("chinese").split("  errors: {", 1)[1].split("  },", 1)[0]
    assert set(re.findall(r"(?m)^    (\w+): \"", errors)) == set(ERRORS)
