// Elements, built without HTML: whatever is in a text stays text.

export const $ = (id) => document.getElementById(id);

/** An element with these properties; children are elements or texts. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Changes a text only if it differs: an unchanged one is not read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** One of six colours for a member. Its id determines it: two people may have the same name. */
export function colour(id) {
  return `c${[...id].reduce((sum, character) => sum + character.codePointAt(0), 0) % 6}`;
}
