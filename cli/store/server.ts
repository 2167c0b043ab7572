import { boundCertificateChains } from "@raft2kube/linux/process/certificate-chains.ts";
import { collectGarbage } from "@raft2kube/linux/process/collect-garbage.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { ETCD_VERSION } from "@raft2kube/store/version.ts";
import { refusedPeers } from "../refused-peers.ts";
import { reportFailure } from "../terminal.ts";
import { VERSION } from "../version.ts";
import { readConfigFile } from "./config-file.ts";
import { withEnvironment } from "./environment.ts";
import { parseGoFlags } from "./go-flags.ts";
import { helpText } from "./help.ts";
import { configureLogging } from "./logging.ts";
import { storeOptions, tracingOf } from "./options.ts";
import { selfSign } from "./self-sign.ts";
import { Settings } from "./settings.ts";

/** Time until a member looks at its memory: not while it starts. */
const STARTED_MS = 5_000;

/** Runs a member as etcd's own command line would, until a signal comes. */
export async function runServer(words: readonly string[]): Promise<void> {
  const given = parseGoFlags(words);
  if (given.has("help") || given.has("h")) return void process.stdout.write(helpText());
  if (given.get("version") === "true") {
    return void process.stdout.write(`etcd Version: ${ETCD_VERSION}\nraft2kube: ${VERSION}\n`);
  }
  boundCertificateChains(refusedPeers());
  let member: Pick<Store, "close"> | undefined;
  // As the first process of a container it gets no signal that it does not handle, while it waits
  // for a majority as well.
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => (member ? stop(member) : process.exit(130)));
  }
  const { address, close } = await startMember(given);
  member = { close };
  systemClock({ unref: true }).after(STARTED_MS, giveBack);
  process.stdout.write(`serving etcd v3 on ${address}\n`);
}

/** Starts a member by etcd's flags and variables; the process ends with it. */
export async function startMember(
  given: ReadonlyMap<string, string>,
): Promise<Pick<Store, "address" | "endpoints" | "client" | "close">> {
  const { settings, notes } = settingsOf(given, process.env);
  configureLogging(settings);
  await selfSign(settings);
  const options = storeOptions(settings);
  const log = logger("store");
  for (const note of [...notes, ...settings.warnings]) log.warn(note);
  const tracer = tracingOf(settings);
  const store = await startStore({ ...options, tracer, onFatal: end });
  return { ...store, close: () => store.close().finally(() => tracer?.close()) };
}

/** Gives memory back from now on; the native code for it is nothing that a start needs. */
async function giveBack(): Promise<void> {
  const { startGivingBack } = await import("../give-back.ts");
  startGivingBack(systemClock({ unref: true }), collectGarbage);
}

/**
 * A configuration file is all there is: beside it neither flags nor environment count, as with
 * etcd. Without one the command line comes before the environment.
 */
export function settingsOf(
  given: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): { settings: Settings; notes: string[] } {
  const notes: string[] = [];
  const file = given.get("config-file") ?? environment["ETCD_CONFIG_FILE"];
  if (file !== undefined && file !== "") {
    const others = [...given.keys()].filter((name) => name !== "config-file");
    if (others.length > 0) {
      notes.push(`not used beside --config-file: ${others.map((name) => `--${name}`).join(", ")}`);
    }
    return { settings: new Settings(readConfigFile(file)), notes };
  }
  const own = new Map([...given].filter(([name]) => name !== "config-file"));
  const all = withEnvironment(own, environment, (line) => notes.push(line));
  return { settings: new Settings(all), notes };
}

function stop(member: Pick<Store, "close">): void {
  member.close().then(
    () => process.exit(0),
    (thrown: unknown) => process.exit(reportFailure(thrown)),
  );
}

function end(reason: unknown): void {
  process.exit(reportFailure(reason));
}
