// Pages outside the console's frame follow the theme that the console keeps.
const kept = (localStorage.getItem("adminTheme") ?? "").replaceAll('"', "");
const dark = kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.classList.toggle("dark", dark);
