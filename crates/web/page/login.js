// Who is there.

import { post } from "./api.js";
import { element, setText } from "./dom.js";
import { sentence } from "./format.js";

/** The form that asks for a name and a password; `done()` is called when the server has let somebody in. */
export function loginForm(done) {
  const user = element("input", {
    id: "user",
    name: "user",
    autocomplete: "username",
    required: true,
    autocapitalize: "none",
    spellcheck: "false",
  });
  const password = element("input", {
    id: "password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const button = element("button", { type: "submit", class: "primary" }, "Log in");
  const trouble = element("p", { class: "trouble", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    setText(trouble, "");
    try {
      await post("/api/login", { user: user.value, password: password.value });
      password.value = "";
      done();
    } catch (error) {
      setText(trouble, words(error));
      if (error.status === 401) password.select();
    } finally {
      button.disabled = false;
    }
  };
  const form = element(
    "form",
    { class: "login", submit },
    element("h1", {}, "Valkka"),
    element("label", { for: "user" }, "Name"),
    user,
    element("label", { for: "password" }, "Password"),
    password,
    trouble,
    button,
  );
  return { element: form, focus: () => user.focus() };
}

function words(error) {
  if (error.status === 401) return "Name or password is wrong.";
  if (error.status === 429) return "Too many attempts. Please wait a little.";
  return `${sentence(error.message)}.`;
}
