import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");

/** Another build of the product, in a folder: the same but for a comment and what `change` does. */
export function otherBuild(
  root: string,
  comment = "another build",
  change = (text: string) => text,
): readonly [string, ...string[]] {
  mkdirSync(join(root, ".cache"), { recursive: true });
  for (const name of readdirSync(ROOT).filter((each) => each !== ".cache")) {
    symlinkSync(join(ROOT, name), join(root, name));
  }
  symlinkSync(join(ROOT, ".cache/cni"), join(root, ".cache/cni"));
  cpSync(join(ROOT, ".cache/bundle"), join(root, ".cache/bundle"), { recursive: true });
  const bundle = join(root, ".cache/bundle");
  const main = join(bundle, "main.js");
  for (const name of readdirSync(bundle).filter((each) => each.endsWith(".js"))) {
    const text = readFileSync(join(bundle, name), "utf8");
    const changed = change(text);
    if (changed !== text) writeFileSync(join(bundle, name), changed);
  }
  appendFileSync(main, `// ${comment}\n`);
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  return ["env", `R2K_ROOT=${root}`, ...node, main];
}
