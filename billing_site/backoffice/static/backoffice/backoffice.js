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
  const button = event.target.querySelector("button[type=submit]");
  if (button) button.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelector("button[type=submit]")?.removeAttribute("aria-busy");
  });
});

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
