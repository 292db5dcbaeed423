// Light or dark: the system's choice until somebody makes another. Runs before the page is drawn.
{
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}
