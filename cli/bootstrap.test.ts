import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { ROOT_DIR } from "./assets.ts";
import { COMMANDS, PARTS } from "./command-table.ts";
import { VERSION } from "./version.ts";

let clone: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  clone = realpathSync(testFolder("r2k-clone-"));
  for (const file of ["bootstrap.mjs", "package.json", "cli/help.txt"]) {
    cpSync(join(ROOT_DIR, file), join(clone, file));
  }
  write("package-lock.json", `{ "packages": {} }`);
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function write(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text, { mode });
}

/** Makes what `bootstrap.mjs` takes for an installation. */
const INSTALLED = `mkdir -p node_modules/node/bin
ln -sf ${process.execPath} node_modules/node/bin/node
echo '{ "packages": {} }' > node_modules/.package-lock.json`;

/** A program `npm` that records its call, waits for the file `go`, and installs. */
function fakeNpm(): void {
  write(
    "bin/npm",
    `#!/bin/sh
echo called >> calls
while [ ! -e go ]; do sleep 0.02; done
${INSTALLED}
`,
    0o755,
  );
  write(".cache/bundle/main.js", `process.stdout.write("ran");`);
}

const env = () => ({ ...process.env, PATH: `${join(clone, "bin")}:${process.env["PATH"]}` });

/** One r2k in the clone; `said` resolves once its messages match. */
function r2k(...words: string[]) {
  const child = spawn(process.execPath, [join(clone, "bootstrap.mjs"), ...words], { env: env() });
  started.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout })));
  const said = (text: RegExp) => expect.poll(() => stderr, { timeout: 20_000 }).toMatch(text);
  return { ended, said };
}

test("help and version need no package and no npm", () => {
  const bare = { env: { PATH: "/nowhere" }, encoding: "utf8", cwd: "/" } as const;
  const ask = (...words: string[]) => {
    return execFileSync(process.execPath, [join(clone, "bootstrap.mjs"), ...words], bare);
  };
  const help = readFileSync(join(ROOT_DIR, "cli/help.txt"), "utf8");
  for (const words of [[], ["help"], ["--help"], ["-h"]]) expect(ask(...words)).toBe(help);
  for (const word of ["--version", "-V"]) expect(ask(word)).toBe(`r2k ${VERSION}\n`);
});

test("the help lists each command and each part", () => {
  const help = readFileSync(join(ROOT_DIR, "cli/help.txt"), "utf8");
  const [, commands = "", parts = ""] = help.split(/^(?:Commands|One part alone|Flags):\n/m);
  const names = (text: string) => [...text.matchAll(/^  (\S+) +\S/gm)].map(([, name]) => name);
  expect(names(commands)).toEqual(Object.keys(COMMANDS));
  expect(names(parts)).toEqual(Object.keys(PARTS));
});

test("two at once in a fresh clone install once: the second waits for the first", async () => {
  fakeNpm();
  const first = r2k("status");
  await first.said(/installing npm packages/);
  const second = r2k("status");
  await second.said(/another r2k installs npm packages here: waiting/);
  write("go", "");
  expect(await first.ended).toEqual({ code: 0, stdout: "ran" });
  expect(await second.ended).toEqual({ code: 0, stdout: "ran" });
  expect(readFileSync(join(clone, "calls"), "utf8")).toBe("called\n");
});

test("an npm that installs in the same folder is waited for, not raced", async () => {
  fakeNpm();
  const script = `while [ ! -e go ]; do sleep 0.02; done; ${INSTALLED}`;
  const argv = ["-c", 'exec -a "npm ci --no-audit" bash -c "$0"', script];
  const npm = spawn("bash", argv, { cwd: clone });
  started.push(npm);
  await expect.poll(() => readFileSync(`/proc/${npm.pid}/cmdline`, "utf8")).toMatch(/^npm ci/);
  const waiting = r2k("status");
  await waiting.said(new RegExp(`npm \\(process ${npm.pid}\\) installs packages here: waiting`));
  write("go", "");
  expect(await waiting.ended).toEqual({ code: 0, stdout: "ran" });
  expect(() => readFileSync(join(clone, "calls"))).toThrow("ENOENT");
});

test("an installation that brings nothing is an error that names npm", async () => {
  write("bin/npm", "#!/bin/sh\nexit 1\n", 0o755);
  const failed = r2k("status");
  await failed.said(/npm ci did not install every package/);
  expect(await failed.ended).toEqual({ code: 2, stdout: "" });
});

test("common words skip bootstrap.mjs while no source is newer than the bundle", () => {
  cpSync(join(ROOT_DIR, "r2k"), join(clone, "r2k"));
  execFileSync("bash", ["-c", INSTALLED], { cwd: clone });
  // bootstrap.mjs says how long it took; what another command said is inherited.
  const by = `process.env.R2K_BEFORE_S ? "bootstrap" : "main"`;
  write(".cache/bundle/main.js", `process.stdout.write(${by});`);
  write(".cache/bundle/container.js", `process.stdout.write("own " + process.argv.slice(2));`);
  const ask = (...words: string[]) => {
    const environment = { ...env(), R2K_BEFORE_S: "1", R2K_LABS: join(clone, "my") };
    return execFileSync(join(clone, "r2k"), words, { encoding: "utf8", env: environment });
  };
  const age = (path: string, time_s: number) => utimesSync(join(clone, path), time_s, time_s);
  expect(ask("container", "ps")).toBe("bootstrap");
  write(".cache/bundle/main.sources", "base package-lock.json\n");
  write(".cache/bundle/container.sources", "base/a/x.ts package-lock.json\n");
  write("base/a/x.ts", "");
  write(".cache/bundle/built", "");
  for (const path of ["base/a/x.ts", "base/a", "base", "package-lock.json"]) age(path, 1_000);
  expect(ask("container", "ps", "-a")).toBe("own container,ps,-a");
  expect(ask("status")).toBe("main");
  expect(ask("lab", "list")).toBe("bootstrap");
  write("base/a/y.ts", "");
  expect(ask("status")).toBe("bootstrap");
  // A source that the program has not imported.
  expect(ask("container", "ps")).toBe("own container,ps");
  for (const path of ["base/a/y.ts", "base/a"]) age(path, 1_000);
  expect(ask("status")).toBe("main");
  rmSync(join(clone, "base/a/y.ts"));
  expect(ask("status")).toBe("bootstrap");
  age("base/a", 1_000);
  expect(ask("status")).toBe("main");
  write("base/a/x.ts", "");
  expect(ask("container", "ps")).toBe("bootstrap");
  age("base/a/x.ts", 1_000);
  expect(ask("container", "ps")).toBe("own container,ps");
  rmSync(join(clone, "base/a/x.ts"));
  expect(ask("container", "ps")).toBe("bootstrap");
  write("base/a/x.ts", "");
  for (const path of ["base/a/x.ts", "base/a"]) age(path, 1_000);
  expect(ask("container", "ps")).toBe("own container,ps");
  // Lists that are cut short, empty, or cannot be read.
  const list = ".cache/bundle/main.sources";
  for (const text of ["base packa", 'sources="base', ""]) {
    write(list, text);
    expect(ask("status")).toBe("bootstrap");
  }
  rmSync(join(clone, list));
  mkdirSync(join(clone, list));
  expect(ask("status")).toBe("bootstrap");
  write("my/labs.json", "{}");
  expect(ask("container", "ps")).toBe("bootstrap");
});
