// Plain JavaScript for Node 18 and later, without dependencies: answers --help and --version,
// installs what package-lock.json names where it is missing, then runs the pinned Node on the
// command line. Nothing else happens here.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 18;
/** How long to wait for another process that installs packages in this folder. */
const OTHERS_TIMEOUT_S = 600;
const OTHERS_POLL_MS = 200;
const root = dirname(fileURLToPath(import.meta.url));

/** The answer to words that need no package; undefined for all others. */
function answerTo([word, ...more]) {
  const read = (file) => readFileSync(join(root, file), "utf8");
  if (more.length > 0) return undefined;
  if ([undefined, "help", "--help", "-h"].includes(word)) return read("cli/help.txt");
  if (!["--version", "-V"].includes(word)) return undefined;
  return `r2k ${JSON.parse(read("package.json")).version}\n`;
}

/** Whether every package that the lock file names is in node_modules in that version. */
function installed() {
  const hidden = join(root, "node_modules/.package-lock.json");
  if (!existsSync(hidden)) return false;
  const want = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const have = JSON.parse(readFileSync(hidden, "utf8")).packages;
  return (
    Object.entries(want).every(([path, entry]) => {
      if (!path.startsWith("node_modules/") || entry.optional) return true;
      if (entry.link) return existsSync(join(root, path));
      return have[path]?.version === entry.version;
    }) && existsSync(pinnedNode())
  );
}

function pinnedNode() {
  return join(root, "node_modules/node/bin/node");
}

/** Installs what is missing; one process at a time, since npm starts by removing what is there. */
function install() {
  takeLock();
  waitForNpm();
  if (installed()) return;
  process.stderr.write("r2k: installing npm packages (npm ci) ...\n");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = spawnSync("npm", args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (npm.error) fail(`npm could not be run: ${npm.error.message}. Install npm 9 or later.`);
  if (npm.status !== 0 || !installed()) {
    fail("npm ci did not install every package; see its messages above.");
  }
}

/** Locks this clone until the process ends: the lock is that of the open file (flock(2)). */
function takeLock() {
  const file = openSync(join(root, "package-lock.json"), "r");
  const flock = (...flags) => {
    return spawnSync("flock", [...flags, "3"], { stdio: ["ignore", 2, 2, file] });
  };
  if (flock("--nonblock").status !== 1) return; // it is ours, or there is no flock
  process.stderr.write("r2k: another r2k installs npm packages here: waiting for it ...\n");
  if (flock("--timeout", String(OTHERS_TIMEOUT_S)).status !== 0) {
    fail("another r2k is still installing npm packages here; try again when it has ended.");
  }
}

/** Waits until no npm that someone else has started installs in this folder. */
function waitForNpm() {
  const end_s = process.uptime() + OTHERS_TIMEOUT_S;
  let noted;
  for (let pid; (pid = npmHere()) !== undefined; ) {
    const what = `npm (process ${pid}) installs packages here`;
    if (noted !== pid) process.stderr.write(`r2k: ${what}: waiting for it ...\n`);
    noted = pid;
    if (process.uptime() > end_s) fail(`${what} still; try again when it has ended.`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OTHERS_POLL_MS);
  }
}

const NPM_INSTALLS = /(^|[/ ])npm(-cli\.js)? (-\S+ )*(ci|clean-install|i|install|rebuild|update) /;

/** The id of an npm that installs packages in this folder, if there is one. */
function npmHere() {
  return readdirSync("/proc").find((pid) => {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`) !== root) return false;
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return NPM_INSTALLS.test(`${words} `);
    } catch (error) {
      if (error.code === undefined) throw error;
      return false; // it has ended, is another user's, or is no process
    }
  });
}

function fail(message) {
  process.stderr.write(`r2k: ${message}\n`);
  process.exit(2);
}

/** The program of a command: the developer's programs by name, else the product's command line. */
function programOf(command) {
  const programs = {
    test: "test/main.ts",
    "test:clock": "test/clock/main.ts",
    tidy: "test/tidy/main.ts",
    bench: "bench/main.ts",
    build: "scripts/build/main.ts",
    peers: "scripts/peers/main.ts",
    sim: "test/sim/main.ts",
    explore: "test/sim/explore/main.ts",
    fuzz: "test/fuzz/main.ts",
    chaos: "test/e2e/chaos/main.ts",
    "storage-faults": "test/e2e/storage-faults/main.ts",
    conformance: "test/conformance/main.ts",
    "etcd-tests": "test/etcd-tests/main.ts",
    "gateway-tests": "test/gateway-conformance/main.ts",
    critest: "test/critest/main.ts",
    compat: "test/compat/main.ts",
  };
  return programs[command];
}

/**
 * A store keeps what it is given and drops the rest immediately: V8's large young generation and
 * glibc's arena for each thread hold 120 MiB more after 100,000 writes, and gain nothing. Its heap
 * is small beside the buffers that pass through: V8 would collect everything each 8 MB of them, 14
 * times a second under writes of 4 KB, and waits until its heap has grown threefold instead.
 */
const STORE = {
  flags: ["--max-semi-space-size=4", "--heap-growing-percent=200"],
  env: { MALLOC_ARENA_MAX: "1" },
};

/** An apiserver's requests live longer: half of V8's default is enough for them. */
const APISERVER = { flags: ["--max-semi-space-size=16"], env: { MALLOC_ARENA_MAX: "1" } };

const SETTINGS = { store: STORE, apiserver: APISERVER };

/** Runs a command; `install_s` is how long the installation took. */
function run(args, install_s) {
  const program = programOf(args[0]);
  const bundle = join(root, ".cache/bundle/main.js");
  // The labs' runner must work when a reader's own part cannot be bundled; the finish runs it.
  const isRunner = args[0] === "lab" && args[1] !== "finish";
  const lab = isRunner && existsSync(join(root, "cli/main.ts"));
  const fromSource = program !== undefined || lab || process.env.R2K_SOURCE === "1";
  const target = fromSource
    ? [join(root, program ?? "cli/main.ts"), ...(program ? args.slice(1) : args)]
    : [bundle, ...args];
  if (!fromSource) refreshBundle();
  const { flags, env } = SETTINGS[args[0]] ?? { flags: [], env: {} };
  const nodeFlags = ["--disable-warning=ExperimentalWarning", ...flags];
  const child = spawn(pinnedNode(), [...nodeFlags, ...target], {
    stdio: "inherit",
    env: {
      ...env,
      ...process.env,
      R2K_ROOT: root,
      R2K_BEFORE_S: String(process.uptime() - install_s),
      R2K_INSTALL_S: String(install_s),
    },
  });
  // The child decides what a signal means; from a terminal it gets Ctrl-C twice, which is the same.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

/**
 * Bundles the sources again when one of them is newer than the bundle; a packed release includes
 * it.
 */
function refreshBundle() {
  const script = join(root, "scripts/build/refresh.ts");
  if (!existsSync(script)) return;
  const built = spawnSync(pinnedNode(), [script], { stdio: ["ignore", 2, 2] });
  if (built.status !== 0) process.exit(1);
}

const words = process.argv.slice(2);
const answer = answerTo(words);
const major = Number(process.versions.node.split(".")[0]);
if (answer !== undefined) process.stdout.write(answer);
else if (major < NODE_MAJOR_MIN) {
  fail(`Node ${NODE_MAJOR_MIN} or later is needed, this is ${process.version}.`);
} else {
  const start_s = process.uptime();
  const isInstalled = installed();
  if (!isInstalled) install();
  run(words, isInstalled ? 0 : process.uptime() - start_s);
}
