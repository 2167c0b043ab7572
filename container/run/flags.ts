import { Command, Option } from "commander";

/** Flags of `create` and `run`, as commander gives them. */
export interface RunFlags {
  interactive?: boolean;
  tty?: boolean;
  publish: string[];
  publishAll?: boolean;
  volume: string[];
  mount: string[];
  volumesFrom: string[];
  env: string[];
  envFile: string[];
  label: string[];
  rm?: boolean;
  name?: string;
  hostname?: string;
  network: string;
  addHost: string[];
  dns: string[];
  dnsSearch: string[];
  dnsOption: string[];
  memory?: string;
  memorySwap?: string;
  cpus?: string;
  cpuShares?: string;
  cpusetCpus?: string;
  pidsLimit?: string;
  user?: string;
  groupAdd: string[];
  workdir?: string;
  capAdd: string[];
  capDrop: string[];
  readOnly?: boolean;
  tmpfs: string[];
  shmSize?: string;
  init?: boolean;
  restart: string;
  entrypoint?: string;
  privileged?: boolean;
  device: string[];
  ulimit: string[];
  sysctl: string[];
  securityOpt: string[];
  stopSignal?: string;
  stopTimeout?: string;
  healthCmd?: string;
  healthInterval?: string;
  healthTimeout?: string;
  healthRetries?: string;
  healthStartPeriod?: string;
  healthStartInterval?: string;
  healthcheck: boolean;
  pid?: string;
  ipc?: string;
  pull: string;
  cidfile?: string;
}

/** A flag that is given once for each value. */
export function many(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([])
    .argParser((value: string, all: string[]) => [...all, value]);
}

/** The flag of the keys by which a terminal is left. */
export const detachKeys = (): Option =>
  new Option("--detach-keys <keys>", "leave it running").default("ctrl-p,ctrl-q");

const ONE: readonly (readonly [flags: string, description: string])[] = [
  ["-i, --interactive", "keep standard input open"],
  ["-t, --tty", "give it a terminal"],
  ["-P, --publish-all", "publish the image's exposed ports on free ports of the host"],
  ["--rm", "remove it when it ends"],
  ["--name <name>", "its name"],
  ["-h, --hostname <name>", "the name it has for itself"],
  ["-m, --memory <bytes>", "memory at most: 512m"],
  ["--memory-swap <bytes>", "memory and swap at most; -1 for no limit of swap"],
  ["--cpus <number>", "processors at most: 1.5"],
  ["-c, --cpu-shares <weight>", "its weight beside others, 1024 by default"],
  ["--cpuset-cpus <list>", "the processors it may use: 0-1"],
  ["--pids-limit <number>", "processes at most; -1 for no limit"],
  ["-u, --user <user>", "name or id, with :group"],
  ["-w, --workdir <dir>", "the working directory"],
  ["--read-only", "its root cannot be written"],
  ["--shm-size <bytes>", "the size of /dev/shm, 64m by default"],
  ["--init", "an init before the command, which reaps and passes signals on"],
  ["--entrypoint <program>", "in place of the image's"],
  ["--privileged", "all capabilities and devices"],
  ["--stop-signal <signal>", "the signal that stop sends, by name or number"],
  ["--stop-timeout <seconds>", "time between that and SIGKILL"],
  ["--health-cmd <command>", "the command that tests its health"],
  ["--health-interval <time>", "30s"],
  ["--health-timeout <time>", "30s"],
  ["--health-retries <number>", "failures until it is unhealthy"],
  ["--health-start-period <time>", "failures in this time do not count"],
  ["--health-start-interval <time>", "in that time, 5s"],
  ["--no-healthcheck", "not the image's test either"],
  ["--pid <mode>", "host"],
  ["--ipc <mode>", "host"],
  ["--cidfile <file>", "write its id there"],
];

const MANY: readonly (readonly [flags: string, description: string])[] = [
  ["-p, --publish <port>", "[[ip:]hostport:]port[/udp]"],
  ["-v, --volume <volume>", "[name|path:]path[:ro]"],
  ["--mount <mount>", "type=bind|volume|tmpfs,source=...,target=...[,readonly]"],
  ["--volumes-from <container>", "all volumes of another"],
  ["-e, --env <variable>", "NAME=VALUE, or NAME for the value here"],
  ["--env-file <file>", "lines of NAME=VALUE"],
  ["-l, --label <label>", "NAME=VALUE"],
  ["--add-host <host>", "name:address for /etc/hosts"],
  ["--dns <address>", "a name server"],
  ["--dns-search <domain>", "a search domain"],
  ["--dns-option <option>", "an option of resolv.conf"],
  ["--group-add <group>", "one more group, by name or id"],
  ["--cap-add <capability>", "or ALL"],
  ["--cap-drop <capability>", "or ALL"],
  ["--tmpfs <place>", "path[:options]: memory there"],
  ["--device <device>", "host[:container[:rwm]]"],
  ["--ulimit <limit>", "nofile=1024:2048"],
  ["--sysctl <setting>", "NAME=VALUE, of its namespaces"],
  ["--security-opt <option>", "no-new-privileges, seccomp=unconfined|FILE, systempaths=unconfined"],
];

/** Adds the flags of `create` and `run`. Any other of docker's is an unknown option. */
export function addRunFlags(command: Command): Command {
  for (const [flags, description] of ONE) command.option(flags, description);
  for (const [flags, description] of MANY) command.addOption(many(flags, description));
  command.addOption(
    new Option("--network <name>", "bridge, none, host, container:NAME, or yours").default(
      "bridge",
    ),
  );
  command.addOption(
    new Option("--restart <policy>", "no, always, unless-stopped, on-failure[:N]").default("no"),
  );
  command.addOption(
    new Option("--pull <when>", "when to fetch the image")
      .default("missing")
      .choices(["always", "missing", "never"]),
  );
  return command.helpOption("--help").passThroughOptions();
}
