import type { Filter } from "../plan/model.ts";
import { format, token, word } from "./quote.ts";

/** Writes what a backend changes in requests and responses. */
export function filterLines(filters: readonly Filter[]): string[] {
  return filters.map((filter): string => {
    switch (filter.kind) {
      case "set":
      case "add":
        return `  http-${filter.of} ${filter.kind}-header ${word(filter.name)} ${
          format(filter.value)}`;
      case "remove":
        return `  http-${filter.of} del-header ${word(filter.name)}`;
      case "host":
        return `  http-request set-header host ${format(filter.value)}`;
      case "path":
        return `  http-request set-path ${format(filter.value)}`;
      case "prefix": {
        const value = filter.value.endsWith("/") ? filter.value.slice(0, -1) : filter.value;
        // Without a value the path's slash is written: the rest may be empty, and a path is not.
        const path = value === "" ? `/%[path,bytes(${filter.length + 1})]`
          : `${format(value)}%[path,bytes(${filter.length})]`;
        return `  http-request set-path ${path}`;
      }
      case "redirect": {
        const { scheme, host, port, code } = filter;
        const name = host === undefined ? "%[req.hdr(host),field(1,:)]" : format(host);
        const place = `${token(scheme)}://${name}${port === undefined ? "" : `:${port}`}`;
        return `  http-request redirect location ${place}%[pathq] code ${code}`;
      }
    }
  });
}
