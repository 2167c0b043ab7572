import { spawn } from "node:child_process";
import { cpSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Lab } from "./manifest.ts";
import { ROOT_DIR } from "./paths.ts";
import { cacheFolder } from "./workspace.ts";

/**
 * Type-checks a tree's files at their place in the product: in a copy of their packages, together
 * with the other files of their folders. Returns the compiler's errors, empty if there are none.
 */
export async function typeCheck(lab: Lab, tree: string): Promise<string> {
  const copy = mkdtempSync(join(cacheFolder(), "labs-types-"));
  try {
    for (const folder of packagesOf(lab)) copySources(join(ROOT_DIR, folder), join(copy, folder));
    copySources(tree, copy);
    const config = join(copy, "tsconfig.json");
    writeFileSync(config, JSON.stringify(settings(lab, copy)));
    const errors = await compile(config, copy);
    return errors.replaceAll(/^[^\s(]*labs-types-\w+\//gm, "");
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const packagesOf = (lab: Lab): Set<string> => new Set(lab.files.map((file) => file.split("/")[0]!));

function copySources(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !/\.test\.ts$|testdata/.test(path) });
}

function settings(lab: Lab, copy: string) {
  const folders = new Set(lab.files.map(dirname));
  // A package's declarations of libraries that have none of their own.
  const declarations = [...packagesOf(lab)].map((folder) => `${folder}/*.d.ts`);
  const sources = [...folders].map((folder) => `${folder}/*.ts`);
  return {
    extends: join(ROOT_DIR, "tsconfig.json"),
    // A skeleton's parameters and imports are for the code that is not written yet.
    compilerOptions: {
      noUnusedLocals: false,
      noUnusedParameters: false,
      typeRoots: [join(ROOT_DIR, "node_modules/@types")],
    },
    include: [],
    exclude: [],
    files: globSync([...new Set([...sources, ...declarations])], { cwd: copy }),
  };
}

function compile(config: string, cwd: string): Promise<string> {
  const tsc = join(ROOT_DIR, "node_modules/.bin/tsc");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [tsc, "--project", config], {
      cwd,
      stdio: ["ignore", "pipe", "inherit"],
      // The compiler is a Go program, and ends before a collection pays: a quarter of its time.
      env: { ...process.env, GOGC: "off" },
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", reject);
    child.once("close", () => resolve(output));
  });
}
