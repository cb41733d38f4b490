/**
 * Why there is nothing to label, in words.
 */

const GOES_ON = "This page goes on by itself when there are clips.";

/**
 * @param {object | null} progress what the API says of the project
 * @param {"open" | "passed" | "failed" | null} qualification how this annotator's stands
 * @returns {[string, string]} a title and a sentence
 */
export function whyNothing(progress, qualification) {
  if (qualification === "failed") {
    return [
      "Thank you for listening",
      "Your first answers differ from the known ones. An operator can let you in all the same: ask.",
    ];
  }
  const round = progress?.round;
  if (!round) return ["Nothing to label yet", `An operator has not started the first round. ${GOES_ON}`];
  const name = `Round ${round.number}`;
  switch (round.state) {
    case "acquiring":
      return ["Clips are being chosen", `${name} is about to open. ${GOES_ON}`];
    case "annotating":
      return ["Nothing to label now", `You answered all you can in this round; others hold the rest. ${GOES_ON}`];
    case "fine_tuning":
    case "evaluating":
      return ["Nothing to label now", `${name} is complete and the model is learning from it. ${GOES_ON}`];
    default:
      return ["Nothing to label now", `${name} is ${round.state}. ${GOES_ON}`];
  }
}

/** @param {object | null} progress @returns {boolean} whether answers are still wanted */
export function open(progress) {
  const round = progress?.round;
  return round?.state === "annotating" && round.done + round.out < round.wanted;
}

/**
 * What the banner says about the connection.
 * @param {"ok" | "unreachable" | "signed-out"} link @param {number} n answers that wait
 * @returns {[string, {href: string, text: string}?]}
 */
export function aboutLink(link, n) {
  const answers = n === 1 ? "1 answer is" : `${n} answers are`;
  if (link === "signed-out") {
    const href = `/login?next=${encodeURIComponent(location.pathname)}`;
    return [`You are signed out. ${answers} kept in this browser.`, { href, text: "Sign in to send them" }];
  }
  if (navigator.onLine && link !== "unreachable") return [""];
  const kept = `${answers} kept in this browser and sent when it is back.`;
  return [`No connection. ${n ? kept : "You can go on with the clips already here."}`];
}
