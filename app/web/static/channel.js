/**
 * What the tabs of one browser tell each other: which clips each of them holds, so that none takes up another's.
 */

const ANSWER_MS = 120;

export class Channel {
  /** @param {string} name @param {() => string[]} held the ids of this tab's leases */
  constructor(name, held) {
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
    this.channel?.addEventListener("message", ({ data }) => {
      if (data.asks) this.channel.postMessage({ holds: held() });
    });
  }

  /** @returns {Promise<Set<string>>} what the other tabs hold */
  async heldElsewhere() {
    const found = new Set();
    if (!this.channel) return found;
    const gather = ({ data }) => data.holds?.forEach((id) => found.add(id));
    this.channel.addEventListener("message", gather);
    this.channel.postMessage({ asks: true });
    await new Promise((wake) => setTimeout(wake, ANSWER_MS));
    this.channel.removeEventListener("message", gather);
    return found;
  }
}
