import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { variableOf } from "./environment.ts";
import { GATES } from "./feature-gates.ts";
import { FLAGS, type Flag } from "./flag-table.ts";
import { parseGoFlags } from "./go-flags.ts";
import { storeOptions, tracingOf } from "./options.ts";
import { settingsOf } from "./server.ts";

const folder = suiteFolder("r2k-flags-");

const OF_THE_PROGRAM = ["config-file", "version"];
const upstream = readFileSync(join(import.meta.dirname, "testdata/etcd-3.6.5-flags.txt"), "utf8")
  .trim()
  .split("\n")
  .filter((name) => !OF_THE_PROGRAM.includes(name));

type Environment = Record<string, string | undefined>;

function read(words: string[], environment: Environment = {}) {
  const { settings, notes } = settingsOf(parseGoFlags(words), environment);
  return { settings, notes: [...notes, ...settings.warnings] };
}

const options = (...words: string[]) => storeOptions(read(words).settings);

function configFile(text: string): string {
  const path = join(folder, "etcd.yaml");
  writeFileSync(path, text);
  return path;
}

/** The part of docs/DIVERGENCE.md about flags that do not do all that etcd's do. */
function flagDivergence(): string {
  const rows = [...FLAGS.values()]
    .map((flag): [string, string] => [`--${flag.name}`, fateOf(flag)])
    .filter(([, fate]) => fate !== "");
  const gates = [...GATES].flatMap(([name, gate]) =>
    gate === "free" ? [] : [[`--feature-gates=${name}`, `only \`${gate.fixed}\`: ${gate.why}`]],
  );
  return [...rows, ...gates].map(([name, fate]) => `| \`${name}\` | ${fate} |`).join("\n");
}

function fateOf({ use, kind }: Flag): string {
  if (use.does === "nothing") return `accepted with a warning: ${use.why}`;
  if (use.does !== "only" || use.why === "") return "";
  if (use.values.length === 0) return `refused: ${use.why}`;
  const values = use.values.map((value) => (value === "" ? "empty" : `\`${value}\``)).join(", ");
  return `only ${kind === "switch" ? values : `as ${values}`}: ${use.why}`;
}

test("every flag of etcd 3.6.5 is known", () => {
  expect(upstream.filter((name) => !FLAGS.has(name))).toEqual([]);
  expect(upstream.length).toBeGreaterThan(130);
});

test("the value of every implemented flag is read", () => {
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".ts") && !/flag-table|test/.test(name))
    .map((name) => readFileSync(join(import.meta.dirname, name), "utf8"))
    .join("\n");
  const acting = [...FLAGS.values()].filter(({ use }) => use.does === "acts");
  const spelled = (name: string) => [`"${name}"`, `\`\${prefix}${name.replace(/^peer-/, "")}\``];
  const names = acting.map(({ name }) => name);
  expect(names.filter((name) => !spelled(name).some((text) => sources.includes(text)))).toEqual([]);
});

test("docs/DIVERGENCE.md describes every flag with less effect", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/DIVERGENCE.md"), "utf8");
  expect(page).toContain(flagDivergence());
});

test("a flag that cannot be had is refused by name, with the reason and exit code 2", () => {
  for (const [name, { use, kind }] of FLAGS) {
    if (use.does !== "only" || use.values.length > 1) continue;
    const other = kind === "switch" ? String(use.values[0] === "false") : "7s";
    expect(() => read([`--${name}=${kind === "number" ? "7" : other}`]), name).toThrow(use.why);
  }
  expect(() => read(["--nonsense"])).toThrow("flag provided but not defined: -nonsense");
  try {
    read(["--nonsense"]);
  } catch (thrown) {
    expect(thrown).toMatchObject({ exitCode: 2 });
  }
});

test("a command line is read by Go's rules", () => {
  const { settings } = read([
    "-name",
    "one",
    "--name=two",
    "--force-new-cluster",
    "--strict-reconfig-check=F",
    "--initial-cluster=two=http://a:1,b=http://c:2",
  ]);
  expect(settings.text("name")).toBe("two");
  expect(settings.on("force-new-cluster")).toBe(true);
  expect(settings.on("strict-reconfig-check")).toBe(false);
  expect(settings.text("initial-cluster")).toBe("two=http://a:1,b=http://c:2");
  expect(() => read(["--force-new-cluster", "true"])).toThrow('"true" is not a valid flag');
  expect(() => read(["--name"])).toThrow("flag needs an argument: -name");
  expect(() => read(["--force-new-cluster=yes"])).toThrow("true or false is needed");
  expect(() => read(["--max-txn-ops=many"])).toThrow("a whole number is needed");
  expect(() => read(["--warning-apply-duration=5"])).toThrow("a duration such as");
});

test("the command line overrides the environment, and unknown variables are reported", () => {
  const environment = {
    ETCD_NAME: "by-variable",
    ETCD_MAX_TXN_OPS: "7",
    ETCD_NONSENSE: "x",
    OTHER: "y",
  };
  const { settings, notes } = read(["--name", "by-flag"], environment);
  expect(settings.text("name")).toBe("by-flag");
  expect(settings.number("max-txn-ops")).toBe(7);
  expect(notes).toContain("ETCD_NAME is not used: --name is given");
  expect(notes).toContain("unrecognized environment variable ETCD_NONSENSE");
  expect(() => read([], { ETCD_MAX_TXN_OPS: "x" })).toThrow("invalid value");
  expect(variableOf("listen-client-urls")).toBe("ETCD_LISTEN_CLIENT_URLS");
});

test("a configuration file excludes flags and environment", () => {
  const path = configFile(
    [
      "name: filed",
      "heartbeat-interval: 50",
      "election-timeout: 500",
      "listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2",
      "watch-progress-notify-interval: 5000000000",
      "client-transport-security:",
      "  client-cert-auth: true",
      "peer-transport-security:",
      "  allowed-cn: member",
      "log-outputs: [stderr]",
      "wal-dir:",
    ].join("\n"),
  );
  const { settings, notes } = read(["--config-file", path, "--name", "x"], { ETCD_NAME: "y" });
  expect(settings.text("name")).toBe("filed");
  expect(settings.list("listen-client-urls")).toHaveLength(2);
  expect(settings.duration_ms("watch-progress-notify-interval")).toBe(5_000);
  expect(settings.on("client-cert-auth")).toBe(true);
  expect(settings.list("peer-cert-allowed-cn")).toEqual(["member"]);
  expect(settings.has("wal-dir")).toBe(false);
  expect(notes).toContain("not used beside --config-file: --name");
  expect(read([], { ETCD_CONFIG_FILE: path }).settings.text("name")).toBe("filed");
  expect(() => read(["--config-file", configFile("nonsense: 1")])).toThrow("unknown key nonsense");
  expect(() => read(["--config-file", configFile("- a")])).toThrow("a mapping is needed");
  expect(() => read(["--config-file", `${folder}/none`])).toThrow("ENOENT");
});

test("deprecated names have the same effect, and warn with the new name", () => {
  const { settings, notes } = read([
    "--experimental-watch-progress-notify-interval=5s",
    "--experimental-initial-corrupt-check=true",
  ]);
  expect(settings.duration_ms("watch-progress-notify-interval")).toBe(5_000);
  expect(notes.join("\n")).toContain("use --watch-progress-notify-interval");
  expect(notes.join("\n")).toContain("use --feature-gates=InitialCorruptCheck=true");
  expect(settings.gate("InitialCorruptCheck")).toBe(true);
  const onDefrag = "--experimental-stop-grpc-service-on-defrag=true";
  expect(options(onDefrag).stopsServiceOnDefragment).toBe(true);
  const hashes = "--experimental-compact-hash-check-enabled=true";
  expect(() => read([hashes])).toThrow("CompactHashCheck");
  expect(() => read(["--feature-gates=Nonsense=true"])).toThrow("unrecognized feature gate");
});

test("flags become the store's options", () => {
  expect(options()).toMatchObject({
    name: "default",
    dataDir: "default.etcd",
    clusterToken: "etcd-cluster",
    grpcGateway: true,
    timing: { tick_ms: 100, electionTicks: 10 },
    looseReconfiguration: false,
    transactionOperations_max: 128,
    requestBytes_max: 1_572_864,
    listenClient: [{ host: "localhost", port: 2379 }],
  });
  expect(options().peers).toBeUndefined();
  expect(
    options(
      "--name=m",
      "--listen-peer-urls=http://127.0.0.1:80",
      "--listen-metrics-urls=http://[::1]:9",
      "--heartbeat-interval=200",
      "--election-timeout=2000",
      "--strict-reconfig-check=false",
      "--max-concurrent-streams=9",
      "--wal-dir=/w",
      "--quota-backend-bytes=-5",
      "--corrupt-check-time=1m",
      "--enable-grpc-gateway=false",
    ),
  ).toMatchObject({
    peers: { listen: [{ port: 80 }], initialCluster: { m: ["http://127.0.0.1:80"] } },
    listenHttp: [],
    listenMetrics: [{ host: "::1", port: 9 }],
    grpcGateway: false,
    timing: { tick_ms: 200, electionTicks: 10 },
    looseReconfiguration: true,
    streams_max: 9,
    initialCorruptCheck: false,
    stopsServiceOnDefragment: false,
    walDir: "/w",
    quotaBackendBytes: -5,
    corruptCheckInterval_ms: 60_000,
  });
});

test.each<[string[], unknown]>([
  [["--auto-compaction-retention=0"], undefined],
  [["--auto-compaction-retention=1"], { mode: "periodic", keep_ms: 3_600_000 }],
  [["--auto-compaction-retention=5m"], { mode: "periodic", keep_ms: 300_000 }],
  [
    ["--auto-compaction-mode=revision", "--auto-compaction-retention=100"],
    { mode: "revision", keepRevisions: 100 },
  ],
  [
    ["--auto-compaction-mode=revision", "--auto-compaction-retention=2s"],
    { mode: "revision", keepRevisions: 2_000_000_000 },
  ],
])("auto compaction: %j", (words, expected) => {
  expect(options(...words).autoCompaction).toEqual(expected);
});

test.each<[string[], string]>([
  [
    ["--warning-unary-request-duration=1s", "--experimental-warning-unary-request-duration=1s"],
    "are both set",
  ],
  [["--heartbeat-interval=300"], "should be at least as 5 times as --heartbeat-interval"],
  [["--election-timeout=60000"], "between 1 and 50000"],
  [["--listen-client-urls=127.0.0.1:2379"], "--listen-client-urls"],
  [["--listen-client-urls=ftp://127.0.0.1:2379"], "unknown scheme"],
  [["--listen-client-urls=http://127.0.0.1:2379/x"], "must not contain a path"],
  [["--listen-client-urls=https://127.0.0.1:2379"], "needs --cert-file and --key-file"],
  [["--initial-cluster=nonsense"], "NAME=URL is needed"],
  [["--listen-peer-urls=http://a:1", "--initial-cluster-state=old"], "new or existing"],
  [["--auto-compaction-mode=never"], "periodic or revision"],
  [["--auto-compaction-retention=soon"], "a duration is needed"],
  [["--auto-compaction-retention=-1h"], "a duration is needed"],
  [["--initial-cluster-state=rubbish"], "new or existing, got rubbish"],
  [["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"], "is above --tls-max-version"],
  [["--tls-min-version=TLS9"], "TLS1.2 or TLS1.3, got TLS9"],
  [["--cipher-suites=NONSENSE"], "unexpected TLS cipher NONSENSE"],
  [["--auth-token=oauth"], "simple or jwt"],
  [["--max-request-bytes=0"], "between 1 and"],
])("refuses %j", (words, complaint) => {
  expect(() => options(...words)).toThrow(complaint);
});

test("a rate of traces that is none is refused by its flag", () => {
  const flag = "--distributed-tracing-sampling-rate";
  const { settings } = read(["--enable-distributed-tracing", `${flag}=1000001`]);
  expect(() => tracingOf(settings)).toThrow(`${flag}: between 0 and 1000000, got 1000001`);
});

test("what cannot be read ends with exit code 2, what cannot be done with 1, as with etcd", () => {
  const exitCode = (...words: string[]) => {
    try {
      return options(...words).name;
    } catch (thrown) {
      return (thrown as { exitCode: number }).exitCode;
    }
  };
  expect(exitCode("--initial-cluster-state=rubbish")).toBe(2);
  expect(exitCode("--max-txn-ops=many")).toBe(2);
  expect(exitCode("--cipher-suites=NONSENSE")).toBe(1);
  expect(exitCode("--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2")).toBe(1);
  expect(exitCode("--auto-compaction-mode=rubbish")).toBe(1);
  expect(exitCode("--heartbeat-interval=300")).toBe(1);
});

test("0 is what it is for etcd: its default, no bound, or nothing at all", () => {
  const none = options(
    "--auth-token-ttl=0",
    "--max-txn-ops=0",
    "--max-concurrent-streams=0",
    "--snapshot-catchup-entries=0",
    "--bcrypt-cost=0",
    "--watch-progress-notify-interval=0",
  );
  expect(none).toMatchObject({
    transactionOperations_max: 0,
    streams_max: 2 ** 32 - 1,
    catchUpEntries_max: 5_000,
    watchProgressInterval_ms: 600_000,
    auth: { bcryptCost: 10 },
  });
  expect(none.auth).not.toHaveProperty("tokenTtl_ms");
  const { settings } = read(["--bcrypt-cost=32"]);
  expect(storeOptions(settings).auth!.bcryptCost).toBe(10);
  expect(settings.warnings.join()).toContain("--bcrypt-cost=32 is not between 4 and 31");
});

test.each([
  ["-5s", 600_000],
  ["1ms", 100],
  ["5s", 5_000],
])("notices of progress each %s: %d ms", (interval, expected) => {
  const { watchProgressInterval_ms } = options(`--watch-progress-notify-interval=${interval}`);
  expect(watchProgressInterval_ms).toBe(expected);
});
