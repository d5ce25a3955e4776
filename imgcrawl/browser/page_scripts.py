"""What is asked of a page in its own language: its links, and what lies over a button."""

# Shadow roots are part of what is shown. What cannot be told from a word is no URL.
GATHER = """limit => {
  const found = [];
  const add = (value, el) => {
    const words = (el.textContent || el.alt || el.title || "").trim().slice(0, 200);
    try {
      const url = new URL(value.trim(), el.baseURI);
      if (/^https?:$/.test(url.protocol) && found.length < limit) found.push([url.href, words]);
    } catch {}
  };
  const isUrl = value => /^(https?:\\/\\/|\\/\\/|\\.{0,2}\\/)|^\\S+\\.\\w{1,8}$/.test(value.trim());
  const leads = (el, name, value) => {
    switch (name) {
      case "href": return /^(a|area)$/i.test(el.localName);
      case "src": return el.localName !== "script";
      case "data": return el.localName === "object";
      case "poster": return true;
      default: return name.startsWith("data-") && isUrl(value);
    }
  };
  const walk = root => {
    for (const el of root.querySelectorAll("*")) {
      for (const {name, value} of el.attributes) {
        if (name === "srcset" || name === "data-srcset")
          for (const one of value.split(/,\\s+/)) add(one.trim().split(/\\s/)[0], el);
        else if (leads(el, name, value)) add(value, el);
      }
      if (el.shadowRoot) walk(el.shadowRoot);
    }
  };
  walk(document);
  return found;
}"""

# What is seen where a button lies: the element that a click would reach.
COVER = """button => {
  const {x, y, width, height} = button.getBoundingClientRect();
  const seen = document.elementFromPoint(x + width / 2, y + height / 2);
  if (!seen || button.contains(seen)) return "something";
  const name = seen.id ? "#" + seen.id : seen.className ? "." + seen.className : "";
  return "<" + seen.localName + name + ">";
}"""

# Hides what lies over a button: the outermost thing that does not hold the button, but the page.
# Returns its name, or "" where nothing lies over the button. Nothing in it is clicked: a banner
# that asks for consent is not answered.
UNCOVER = """button => {
  const {x, y, width, height} = button.getBoundingClientRect();
  let seen = document.elementFromPoint(x + width / 2, y + height / 2);
  if (!seen || button.contains(seen)) return "";
  while (seen.parentElement && seen.parentElement !== document.body
      && !seen.parentElement.contains(button)) seen = seen.parentElement;
  if (seen === document.body || seen === document.documentElement) return "";
  seen.style.setProperty("display", "none", "important");
  return "hidden";
}"""

# Whether a list in the page scrolls and has links in its first views only: the rows of a virtual
# list are made as they come into view.
BLANK = """() => {
  for (const el of document.querySelectorAll("*")) {
    const is_list = el.clientHeight > 0 && el.scrollHeight > 4 * el.clientHeight
      && el !== document.scrollingElement && el !== document.body
      && /auto|scroll|overlay/.test(getComputedStyle(el).overflowY);
    if (!is_list) continue;
    const top = el.getBoundingClientRect().top - el.scrollTop;
    let end = -1;
    for (const a of el.querySelectorAll("a[href]"))
      end = Math.max(end, a.getBoundingClientRect().bottom - top);
    if (end >= 0 && el.scrollHeight - end > 2 * el.clientHeight) return true;
  }
  return false;
}"""
