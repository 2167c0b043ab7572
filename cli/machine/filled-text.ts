import { readFile } from "node:fs/promises";

/** The text of a file, in which `${name}` is replaced by the value of that name. */
export async function filledText(path: string, valueOf: (name: string) => string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => valueOf(name));
}
