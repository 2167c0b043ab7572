import type { IncomingMessage } from "node:http";
import { Transform, type TransformCallback } from "node:stream";
import { constants, createGunzip, createGzip } from "node:zlib";
import { BACKEND_READ_BYTES, HTML_TAG_BYTES_MAX } from "../../limits.ts";

/** The tags whose attribute holds a URL, by attribute (as upstream's proxy). */
const TAGS_OF: Readonly<Record<string, string>> = {
  action: "form",
  background: "body",
  cite: "blockquote del ins q",
  classid: "object",
  codebase: "applet object",
  data: "object",
  formaction: "button input",
  href: "a area base link",
  icon: "command",
  longdesc: "frame iframe img",
  manifest: "html",
  poster: "video",
  profile: "head",
  src: "audio embed frame iframe img input script source video",
  usemap: "img input object",
};

const LINKS: ReadonlySet<string> = new Set(
  Object.entries(TAGS_OF).flatMap(([attribute, tags]) =>
    tags.split(" ").map((tag) => `${tag} ${attribute}`),
  ),
);

/** Elements whose content is text up to their own end tag. */
const RAW_TEXT = new Set([
  "iframe",
  "noembed",
  "noframes",
  "noscript",
  "plaintext",
  "script",
  "style",
  "textarea",
  "title",
  "xmp",
]);

/** Pages are packed again in little memory, 32 KB each: a user may ask for thousands. */
const PACKED = { level: constants.Z_BEST_SPEED, windowBits: 12, memLevel: 5 };

/**
 * The steps that an answer's body takes when it is a whole page of HTML; undefined when it goes
 * through as it is: another type, a part, an encoding that is not known here. The body comes in
 * turns of the event loop; what a packed one expands to, a thousand times as much, waits for `turn`
 * before each part.
 */
export function linkRewriting(
  { headers, statusCode }: Pick<IncomingMessage, "headers" | "statusCode">,
  rewrite: (link: string) => string,
  turn: () => Promise<void>,
): Transform[] | undefined {
  const type = (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "text/html" || statusCode === 206 || statusCode === 304) return undefined;
  switch (headers["content-encoding"] ?? "") {
    case "":
      return [new LinkRewriter(rewrite)];
    case "gzip": {
      const unzip = createGunzip({ chunkSize: BACKEND_READ_BYTES });
      const zip = createGzip(PACKED);
      unzip.on("error", () => unzip.destroy());
      zip.on("error", () => zip.destroy());
      return [unzip, new LinkRewriter(rewrite, turn), zip];
    }
    default:
      return undefined;
  }
}

/** Where in a page the next byte is. */
type Place = { in: "text" } | { in: "comment" } | { in: "raw"; element: string };

const TEXT: Place = { in: "text" };

/**
 * Rewrites the links of HTML as it passes; every other byte stays. It looks at bytes as latin1: the
 * markup is ASCII in every encoding that pages have, UTF-16 apart, in which nothing matches.
 */
export class LinkRewriter extends Transform {
  readonly #rewrite: (link: string) => string;
  readonly #turn: (() => Promise<void>) | undefined;
  #place: Place = TEXT;
  /** The start of something whose end has not come. At most HTML_TAG_BYTES_MAX. */
  #rest = "";
  /** The tag at the beginning of `#rest`, as far as it was read. */
  #tag: Tag | undefined;

  /** `turn` comes before each chunk, if they do not come in turns themselves. */
  constructor(rewrite: (link: string) => string, turn?: () => Promise<void>) {
    super();
    this.on("error", () => this.destroy());
    this.#rewrite = rewrite;
    this.#turn = turn;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const take = () => {
      if (this.destroyed) return;
      this.#rest += chunk.toString("latin1");
      done(null, Buffer.from(this.#take(), "latin1"));
    };
    if (this.#turn === undefined) take();
    else void this.#turn().then(take);
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.#rest, "latin1"));
  }

  /** Returns the complete part; the incomplete rest stays in `#rest`. */
  #take(): string {
    let out = "";
    for (;;) {
      const end = this.#place.in === "text" ? this.#text() : this.#until();
      if (end.text !== undefined) out += end.text;
      if (!end.more) return out;
    }
  }

  #cut(length: number): string {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return text;
  }

  /** Text up to the next tag, or that tag. */
  #text(): { text?: string; more: boolean } {
    const rest = this.#rest;
    if (!rest.startsWith("<")) {
      const at = rest.indexOf("<");
      return { text: this.#cut(at < 0 ? rest.length : at), more: at >= 0 };
    }
    if (rest.startsWith("<!--")) {
      this.#place = { in: "comment" };
      return { text: this.#cut(4), more: true };
    }
    // The start of a comment, or of a tag whose name has not come.
    if (rest.length < 4 && !rest.includes(">")) return { more: false };
    if (!/^<[a-z]/i.test(rest)) return { text: this.#cut(1), more: true };
    const tag = (this.#tag = readTag(rest, this.#tag));
    if (tag?.whole !== true) {
      if (rest.length < HTML_TAG_BYTES_MAX) return { more: false };
      // All that was read for it: what looks like tags within would be read again for each.
      this.#tag = undefined;
      return { text: this.#cut(HTML_TAG_BYTES_MAX), more: true };
    }
    this.#tag = undefined;
    this.#rest = rest.slice(tag.end);
    if (RAW_TEXT.has(tag.name)) this.#place = { in: "raw", element: tag.name };
    return { text: this.#rewritten(rest.slice(0, tag.end), tag), more: true };
  }

  /** The rest of a comment, or of an element whose content is text. */
  #until(): { text: string; more: boolean } {
    const place = this.#place;
    const mark = place.in === "raw" ? `</${place.element}>` : "-->";
    const end = place.in === "raw" ? new RegExp(`</${place.element}[\\s/>]`, "i") : /-->/;
    const found = end.exec(this.#rest);
    if (found) {
      this.#place = TEXT;
      return { text: this.#cut(found.index + mark.length), more: true };
    }
    const text = this.#cut(Math.max(0, this.#rest.length - mark.length + 1));
    return { text, more: false };
  }

  #rewritten(text: string, { name, attributes }: Tag): string {
    let out = "";
    let from = 0;
    for (const { key, start, end } of attributes) {
      if (!LINKS.has(`${name} ${key}`)) continue;
      out += text.slice(from, start) + this.#rewrite(text.slice(start, end));
      from = end;
    }
    return out + text.slice(from);
  }
}

interface Tag {
  /** The tag's name in lower case. */
  readonly name: string;
  /** Where its values stand, without their quotes. */
  readonly attributes: { key: string; start: number; end: number }[];
  /** Index after the last attribute that was read; of a complete tag, after its `>`. */
  end: number;
  whole: boolean;
}

const NAME = /[^\s/>=]+/y;
const SPACE = /[\s/]*/y;
const EQUALS = /\s*=\s*/y;
const UNQUOTED = /[^\s>]*/y;

function matchAt(form: RegExp, text: string, from: number): string | undefined {
  form.lastIndex = from;
  return form.exec(text)?.[0];
}

/**
 * Reads the start tag that a text starts with (HTML 13.2.5), or continues one whose end was missing
 * before, so that a tag which comes in many pieces is read once. Returns undefined until its name
 * has come.
 */
function readTag(text: string, known: Tag | undefined): Tag | undefined {
  const name = known?.name ?? matchAt(NAME, text, 1) ?? "";
  if (known === undefined && 1 + name.length >= text.length) return undefined;
  const lower = name.toLowerCase();
  const tag = known ?? { name: lower, attributes: [], end: 1 + name.length, whole: false };
  for (;;) {
    const at = tag.end + matchAt(SPACE, text, tag.end)!.length;
    if (at >= text.length) return tag;
    if (text[at] === ">") {
      tag.end = at + 1;
      tag.whole = true;
      return tag;
    }
    const end = readAttribute(tag, text, at);
    if (end === undefined) return tag;
    tag.end = end;
  }
}

/** Reads the attribute at `at`; returns where it ends, undefined when that has not come. */
function readAttribute({ attributes }: Tag, text: string, at: number): number | undefined {
  const key = matchAt(NAME, text, at) ?? "=";
  const behind = at + key.length;
  const equals = matchAt(EQUALS, text, behind);
  if (equals === undefined) {
    // The equals sign and the value may be in the next chunk.
    return behind + matchAt(SPACE, text, behind)!.length < text.length ? behind : undefined;
  }
  const value = behind + equals.length;
  const quote = text[value];
  const isQuoted = quote === '"' || quote === "'";
  const start = isQuoted ? value + 1 : value;
  const end = isQuoted
    ? text.indexOf(quote, start)
    : start + matchAt(UNQUOTED, text, start)!.length;
  if (end < 0 || end >= text.length) return undefined;
  attributes.push({ key: key.toLowerCase(), start, end });
  return isQuoted ? end + 1 : end;
}
