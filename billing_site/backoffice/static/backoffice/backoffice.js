// Copies a key to the clipboard.
document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent.trim()).then(() => {
      copy.textContent = "Copied";
    });
  }
});

// A form is sent once: a second click on a money action must not send it again.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-once]")) return;
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "1";
  const button = event.submitter ?? event.target.querySelector("button[type=submit]");
  if (button) button.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll("button[type=submit]").forEach((button) => button.removeAttribute("aria-busy"));
  });
});

// One box ticks all the boxes of its table.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-check-all]")) return;
  const boxes = event.target.closest("table").querySelectorAll("tbody input[type=checkbox]");
  boxes.forEach((box) => (box.checked = event.target.checked));
});

// A field that belongs to one answer of another field ("model flat unit") is shown, and sent, with that answer only.
const showFields = (form) => {
  form.querySelectorAll("[data-shown-for]").forEach((part) => {
    const [name, ...values] = part.dataset.shownFor.split(" ");
    const value = form.elements[name]?.value ?? "";
    part.hidden = !(values.length ? values.includes(value) : value === "");
    part.querySelectorAll("input, select, textarea").forEach((input) => (input.disabled = part.hidden));
  });
};
document.addEventListener("change", (event) => {
  if (event.target.form) showFields(event.target.form);
});
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form").forEach(showFields));

// An answer that other questions depend on asks for the form anew, with all that was typed.
const refresh = (event) => {
  if (!event.target.matches("[data-refresh]")) return;
  const again = document.createElement("input");
  Object.assign(again, { type: "hidden", name: "again", value: "yes" });
  event.target.form.append(again);
  event.target.form.submit();
};
document.addEventListener("change", refresh);

// One more row to type into, numbered on from the last.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-row]");
  if (!button) return;
  const last = button.parentElement.querySelector("[data-rows] tbody tr:last-child");
  const row = last.cloneNode(true);
  row.querySelectorAll("input, select").forEach((input) => {
    input.value = "";
    input.ariaLabel = input.ariaLabel.replace(/\d+$/, (number) => +number + 1);
    ["name", "id"].forEach((part) => (input[part] = input[part].replace(/_(\d+)_/, (_, number) => `_${+number + 1}_`)));
  });
  last.after(row);
  row.querySelector("input, select").focus();
});

// What a money action would change is worked out anew as its form is filled in. Only the latest answer is shown.
let effectsTimer;
let effectsAsked = 0;
const showEffects = (form) => {
  clearTimeout(effectsTimer);
  effectsTimer = setTimeout(async () => {
    const asked = ++effectsAsked;
    const answers = new URLSearchParams(new FormData(form));
    ["csrfmiddlewaretoken", "reason"].forEach((name) => answers.delete(name));
    answers.set("effects", "1");
    const response = await fetch(`?${answers}`);
    if (response.ok && !response.redirected && asked === effectsAsked) {
      document.getElementById("effects").innerHTML = await response.text();
    }
  }, 200);
};
const answered = (event) => {
  const form = event.target.closest("form[data-effects]");
  if (form && event.target.name !== "reason") showEffects(form);
};
["input", "change"].forEach((kind) => document.addEventListener(kind, answered));
// A field that searches tells only jQuery what was chosen.
window.addEventListener("load", () => window.django?.jQuery?.(document).on("select2:select select2:clear", (event) => {
  answered(event);
  refresh(event);
}));

// Enter in the search takes the first result when the arrow keys have chosen none.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Enter" || event.target.id !== "search-input-command") return;
    if (document.querySelector("#command-results li.active, #command-history li.active")) return;
    const first = document.querySelector("#command-results-list a");
    event.preventDefault();
    event.stopPropagation();
    if (first) window.location.assign(first.href);
  },
  true,
);
