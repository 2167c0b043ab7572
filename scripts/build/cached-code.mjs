// Runs the program beside it, NAME.cjs beside NAME.js, with the code that V8 had made of it when
// the same verb ended before: Node's own compile cache has none of the functions that are called
// after the start. Code that cannot be read or kept is made again.
import { createRequire } from "node:module";

const { closeSync, fstatSync, fsyncSync, mkdirSync, openSync } = process.getBuiltinModule("fs");
const { readFileSync, renameSync, rmSync, writeFileSync } = process.getBuiltinModule("fs");
const { Script } = process.getBuiltinModule("vm");
const filename = import.meta.filename.replace(/\.js$/, ".cjs");
const folder = process.env.NODE_COMPILE_CACHE;
const VERB = /^[a-z][a-z-]{1,15}$/;

/** The source, and where its code is kept: V8 looks at no more of a source than its length. */
function open() {
  const fd = openSync(filename, "r");
  const { mtimeNs, ino, size } = fstatSync(fd, { bigint: true });
  const source = readFileSync(fd, "latin1"); // esbuild writes ASCII
  closeSync(fd);
  const [word, ...words] = process.argv.slice(2);
  const verb = words.find((each, i) => !each.startsWith("-") && words[i - 1] !== "--cluster") ?? "";
  const isKept = folder && word === "container" && VERB.test(verb);
  return { source, file: isKept ? `${folder}/${verb}-${mtimeNs}-${ino}-${size}` : undefined };
}

function read(file) {
  try {
    return file && readFileSync(file);
  } catch (error) {
    if (error.code === undefined) throw error;
    return undefined;
  }
}

/** Keeps the code after a success, so that there are no more files than verbs. */
function keep(script, file) {
  if (process.exitCode) return;
  const whole = `${file}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true });
    const fd = openSync(whole, "wx", 0o600);
    writeFileSync(fd, script.createCachedData());
    fsyncSync(fd); // V8 does not look for damage
    closeSync(fd);
    renameSync(whole, file);
  } catch (error) {
    if (error.code === undefined) throw error;
    rmSync(whole, { force: true });
  }
}

const { source, file } = open();
const cachedData = read(file);
const script = new Script(source, { filename, cachedData });
const isCurrent = cachedData && !script.cachedDataRejected;
if (file && !isCurrent) process.on("exit", () => keep(script, file));
script.runInThisContext()(createRequire(import.meta.url), import.meta.url, { exports: {} });
