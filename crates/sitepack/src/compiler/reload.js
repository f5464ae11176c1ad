// chapbook serve --watch: reloads the page when the site has changed.
(() => {
  const script = "/-/reload.js", site = "SITE", seen = "chapbook's site";
  let tag = "", current = site;
  const remember = () => {
    try {
      const before = sessionStorage.getItem(seen);
      sessionStorage.setItem(seen, current);
      return before;
    } catch {
      return null; // where a page may store nothing
    }
  };
  const look = async () => {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(script, { cache: "no-store", headers });
    if (answer.status !== 200) return;
    const told = /"([0-9a-f]{64})"/.exec(await answer.text());
    tag = answer.headers.get("ETag") || "";
    current = told ? told[1] : current;
  };
  // A page that is gone stays as it was: what is there instead might never look again.
  const reload = async () => {
    const page = await fetch(location.href, { method: "HEAD", cache: "no-store" });
    if (!(page.headers.get("Content-Type") || "").startsWith("text/html")) return;
    remember();
    location.reload();
  };
  const turn = async () => {
    try {
      await look();
      if (current !== site) await reload();
    } catch {
      // The server is away; it may come back.
    }
    setTimeout(turn, 1000);
  };
  // A change between the page and this script leaves the page older than the script says.
  const before = remember();
  if (before && before !== site) location.reload();
  else setTimeout(turn, 1000);
})();
