/**
 * One media range of an Accept header, or a Content-Type:
 * `application/json;as=Table;g=meta.k8s.io`.
 */
export interface MediaType {
  type: string;
  parameters: Record<string, string>;
  quality: number;
}

/** The parts of a media type; parameter values keep their case. */
export function parseMediaType(text: string): MediaType {
  const [head = "", ...rest] = text.split(";");
  const media: MediaType = { type: head.trim().toLowerCase(), parameters: {}, quality: 1 };
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    const name = part.slice(0, at).trim().toLowerCase();
    const value = part
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, "$1");
    if (name === "q") media.quality = Number(value);
    else if (name !== "__proto__") media.parameters[name] = value;
  }
  return media;
}

/** The ranges of an Accept header, the most wanted first; an empty header accepts anything. */
export function parseAccept(header: string): MediaType[] {
  if (header.trim() === "") return [{ type: "*/*", parameters: {}, quality: 1 }];
  return header
    .split(",")
    .map(parseMediaType)
    .filter((media) => media.quality > 0)
    .sort((a, b) => b.quality - a.quality);
}

/** Whether `range` (`*\/*`, `application/*`, `application/json`) takes `type`. */
export function accepts(range: string, type: string): boolean {
  if (range === type || range === "*/*") return true;
  return range.endsWith("/*") && type.startsWith(range.slice(0, -1));
}
