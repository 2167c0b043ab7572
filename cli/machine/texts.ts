import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "yaml";
import { MACHINE_TEXTS_DIR } from "../assets.ts";

/** A file's text, by its path or its name in `texts`; `${name}` is the value of that name. */
export function filledText(path: string, valueOf: (name: string) => string): string {
  const text = readFileSync(resolve(MACHINE_TEXTS_DIR, path), "utf8");
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => valueOf(name));
}

/** The content of a file of YAML in `texts`. */
export const tableIn = <T>(name: string): T =>
  parse(readFileSync(resolve(MACHINE_TEXTS_DIR, name), "utf8")) as T;
