/**
 * A SameSite=Strict cookie is not sent when somebody arrives through a link in a mail or a chat, so this page is shown
 * to people who are signed in. Asked again from this origin, the server knows them and would redirect: then go.
 */

const again = await fetch(location.href, { redirect: "manual", cache: "no-store" }).catch(() => null);
const form = document.querySelector("[data-login]");
if (again?.type === "opaqueredirect" && !form.querySelector("[role=alert]")) location.replace(form.elements.next.value);
