import type { Filter, Redirect } from "../plan/model.ts";
import { format, token, word } from "./quote.ts";

type PathFilter = Extract<Filter, { kind: "path" | "prefix" }>;

/** Writes what a backend changes in requests and responses. */
export function filterLines(filters: readonly Filter[]): string[] {
  return filters.flatMap((filter): string[] => {
    switch (filter.kind) {
      case "set":
      case "add":
        return [`  http-${filter.of} ${filter.kind}-header ${word(filter.name)} ${
          format(filter.value)}`];
      case "remove":
        return [`  http-${filter.of} del-header ${word(filter.name)}`];
      case "host":
        return [`  http-request set-header host ${format(filter.value)}`];
      case "path":
      case "prefix":
        return [`  http-request set-path ${pathFormat(filter)}`];
      case "redirect":
        return redirectLines(filter);
    }
  });
}

/** The new path as a log format. */
function pathFormat(filter: PathFilter): string {
  if (filter.kind === "path") return format(filter.value);
  const value = filter.value.endsWith("/") ? filter.value.slice(0, -1) : filter.value;
  // Without a value the path's slash is written here: the rest may be empty, and a path is not.
  if (value === "") return `/%[path,bytes(${filter.length + 1})]`;
  return `${format(value)}%[path,bytes(${filter.length})]`;
}

function redirectLines({ scheme, host, port, path, code }: Redirect): string[] {
  const name = host === undefined ? "%[req.hdr(host),field(1,:)]" : format(host);
  const place = `${token(scheme)}://${name}${port === undefined ? "" : `:${port}`}`;
  const lines = path === undefined ? [] : filterLines([path]);
  return [...lines, `  http-request redirect location ${place}%[pathq] code ${code}`];
}
