import { spawn } from "node:child_process";
import { cpSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT_DIR } from "./paths.ts";
import type { Lab } from "./manifest.ts";
import { cacheFolder } from "./workspace.ts";

/**
 * Type-checks a tree's files as they stand in the product: with a copy of their package around
 * them, together with everything beside them. Returns the compiler's complaints, empty when all
 * is well.
 */
export async function typeCheck(lab: Lab, tree: string): Promise<string> {
  const copy = mkdtempSync(join(cacheFolder(), "labs-types-"));
  try {
    for (const folder of packagesOf(lab)) copySources(join(ROOT_DIR, folder), join(copy, folder));
    copySources(tree, copy);
    const config = join(copy, "tsconfig.json");
    writeFileSync(config, JSON.stringify(settings(lab, copy)));
    const said = await compile(config, copy);
    return said.replaceAll(/^[^\s(]*labs-types-\w+\//gm, "");
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function packagesOf(lab: Lab): Set<string> {
  return new Set(lab.files.map((file) => file.split("/")[0]!));
}

function copySources(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !/\.test\.ts$|testdata/.test(path) });
}

function settings(lab: Lab, copy: string) {
  const folders = new Set(lab.files.map(dirname));
  return {
    extends: join(ROOT_DIR, "tsconfig.json"),
    // A skeleton's parameters and imports are for the code that is to be written.
    compilerOptions: {
      noUnusedLocals: false,
      noUnusedParameters: false,
      typeRoots: [join(ROOT_DIR, "node_modules/@types")],
    },
    include: [],
    exclude: [],
    files: [...folders].flatMap((folder) => globSync(`${folder}/*.ts`, { cwd: copy })),
  };
}

function compile(config: string, cwd: string): Promise<string> {
  const tsc = join(ROOT_DIR, "node_modules/.bin/tsc");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [tsc, "--project", config], {
      cwd,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.on("error", reject);
    child.once("close", () => resolve(said));
  });
}
