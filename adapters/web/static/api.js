// The wire to Easel: requests that say what went wrong in plain words, and the stream of events.

/** Something that was refused or got lost. `offline` when no answer came, so that the same may be sent again. */
export class Trouble extends Error {
  constructor(message, { offline = false, status = 0 } = {}) {
    super(message);
    this.offline = offline;
    this.status = status;
  }
}

const WORDS = {
  401: "This page needs the operator’s token. Load it again to sign in.",
  403: "Easel refused this, because it seemed to come from another page. Load the page again.",
  404: "That isn’t there any more.",
  413: "That is too large.",
  429: "That was a little fast. Please try again in a moment.",
};

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Trouble("Easel can’t be reached right now.", { offline: true });
  }
  if (answer.ok) return answer;
  const { status } = answer;
  throw new Trouble(await refusal(answer), { status, offline: status >= 502 });
}

/** What a card says, as one line. */
export const wordsOf = (card) => card.lines.map((line) => line.text).join(" ");

/** What the server says of it, where it says it in a card; else our own words. */
async function refusal(answer) {
  try {
    const words = wordsOf((await answer.clone().json()).card);
    if (words) return words;
  } catch {
    // no card: our own words
  }
  return WORDS[answer.status] ?? "Something went wrong. Please try again in a moment.";
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  const answer = await ask(text ? `${path}?${text}` : path);
  return answer.json();
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Easel": "1" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Sends a file's bytes as they are. What Easel refuses is Trouble, too, in its words. */
export async function send(path, blob, name) {
  const headers = {
    "Content-Type": blob.type || "application/octet-stream",
    "X-Name": encodeURIComponent(name),
    "X-Easel": "1",
  };
  const answer = await (await ask(path, { method: "POST", headers, body: blob })).json();
  if (answer.kind === "error") throw new Trouble(wordsOf(answer.card));
  return answer;
}

export function requestId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // where the page came without https
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5");
}

/**
 * Asks for something to be done, with a request id that stays the same in each try: what arrived twice is done once.
 * Two more tries when no answer came; then Trouble.
 */
export async function once(path, body, id = requestId()) {
  for (const wait of [400, 1200, 0]) {
    try {
      return await post(path, { request_id: id, ...body });
    } catch (trouble) {
      if (!trouble.offline || !wait) throw trouble;
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }
}

const SILENCE = 40_000; // milliseconds without the server's beat, after which the connection is dead
const REST = 10_000; // milliseconds out of sight
const FIRST_WAIT = 800;
const LONGEST_WAIT = 10_000;

/**
 * The stream of events, opened again whenever it breaks. `on` holds a function per event name, `opened` after each
 * opening, `lost` when it broke.
 */
export class Events {
  constructor({ on, opened, lost }) {
    this.on = on;
    this.opened = opened;
    this.lost = lost;
    this.last = "";
    this.wait = FIRST_WAIT;
    this.source = null;
    this.heard = 0; // when the last beat came
    this.on.beat ??= () => {};
    // A connection over a network that went away may look alive for long.
    addEventListener("online", () => this.open());
    document.addEventListener("visibilitychange", () => this.seen());
    setInterval(() => this.check(), SILENCE / 4);
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.heard = 0;
    this.source = new EventSource(this.last ? `/api/events?last=${encodeURIComponent(this.last)}` : "/api/events");
    this.source.onopen = () => {
      this.wait = FIRST_WAIT;
      this.opened();
    };
    // Opened by ourselves each time: a browser gives up for good after one bad answer.
    this.source.onerror = () => this.again();
    for (const [name, told] of Object.entries(this.on)) {
      this.source.addEventListener(name, (event) => {
        if (name === "beat") this.heard = Date.now();
        if (event.lastEventId) this.last = event.lastEventId;
        told(event.data ? JSON.parse(event.data) : null);
      });
    }
    if (document.visibilityState !== "visible") this.seen(); // it may have opened in the background
  }

  again() {
    this.source?.close();
    this.source = null;
    this.lost();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait * (0.8 + Math.random() * 0.4));
    this.wait = Math.min(LONGEST_WAIT, this.wait * 1.6);
  }

  /** A window that nobody looks at gives its connection back after a while: a browser has six for all of them. */
  seen() {
    clearTimeout(this.resting);
    if (document.visibilityState === "visible") this.check();
    else this.resting = setTimeout(() => this.rest(), REST);
  }

  rest() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** Opens it again where it broke or rests, or where the beat has stopped. */
  check() {
    if (document.visibilityState !== "visible") return;
    const silent = this.heard && Date.now() - this.heard > SILENCE;
    if (silent) this.lost();
    if (silent || !this.source) this.open();
  }
}
