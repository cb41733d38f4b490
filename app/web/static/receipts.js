/**
 * Why the clips of a round are in it: a dialog for operators, one sentence a clip.
 */

import { call } from "./api.js";
import { el } from "./dom.js";
import { plain } from "./words.js";

/** @param {{id: number, number: number}} round @returns {Promise<void>} once its receipts are shown */
export async function showReceipts(round) {
  const body = el("div", { class: "receipts-body", tabindex: "0", role: "region", "aria-labelledby": "receipts-title" });
  const dialog = el(
    "dialog",
    { class: "receipts", "aria-labelledby": "receipts-title" },
    el("h2", { id: "receipts-title" }, `Round ${round.number}: why these clips`),
    body,
    el("form", { method: "dialog", class: "row" }, el("button", {}, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
  try {
    const { picks, receipts } = await call("GET", `/rounds/${round.id}`);
    body.replaceChildren(...["strategy", "control"].flatMap((arm) => armOf(arm, picks, receipts)));
  } catch (error) {
    body.replaceChildren(el("p", {}, `They could not be read: ${error.message}`));
  }
}

/** One arm: what it was drawn from, then its clips, best first. */
function armOf(arm, picks, receipts) {
  const own = picks.filter((pick) => pick.arm === arm);
  if (!own.length) return [];
  const receipt = receipts.find((one) => one.arm === arm);
  const told = receipt && `${drawnFrom(receipt)}, seed ${receipt.seed}, digest ${receipt.digest.slice(0, 12)}…`;
  return [
    el("h3", {}, arm === "control" ? "Control arm" : "Strategy arm"),
    el("p", { class: "muted" }, told ?? "Chosen before receipts were kept."),
    el("ul", {}, ...own.map(line)),
  ];
}

function drawnFrom(receipt) {
  const asked = receipt.checkpoint_id === null ? "" : `, asking checkpoint ${receipt.checkpoint_id}`;
  const from = `${receipt.pool_size.toLocaleString("en")} clips with ${receipt.n_labelled.toLocaleString("en")} labelled`;
  return `${plain(receipt.strategy.kind)} from ${from}${asked}`;
}

const line = (pick) =>
  el("li", {}, el("a", { href: `/api/v1/clips/${pick.clip_id}/audio` }, `Clip ${pick.clip_id}`), ` ${pick.sentence}`);
