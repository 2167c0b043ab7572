import { hostPlatform } from "@raft2kube/runtime/image/manifest.ts";
import type { Flags, Given } from "../verb.ts";
import { mountOf, tmpfsOf, volumeOf } from "./mounts.ts";
import { portsOf } from "./ports.ts";
import {
  addedHostOf,
  addressOf,
  bytesOf,
  cpusOf,
  healthTimeOf,
  integer,
  ofDevice,
  pairOf,
  restartOf,
  rlimitOf,
  stopSignalOf,
  variableOf,
  variablesIn,
  weightOf,
} from "./values.ts";

/** The flags of a container's process, which `exec` has too. */
export const PROCESS_FLAGS = {
  "-i, --interactive": "keep standard input open",
  "-t, --tty": "on a terminal",
  "-u, --user <user>": "name or id, with :group",
  "-w, --workdir <dir>": "the working directory",
  "--privileged": "with all capabilities; of a container, with all devices too",
  "-e, --env <variable>...": { about: "NAME=VALUE, or NAME for the value here", as: variableOf },
  "--env-file <file>...": { about: "lines of NAME=VALUE", as: variablesIn },
} as const satisfies Flags;

/** The flag of the keys by which a terminal is left. */
export const DETACH_KEYS = {
  "--detach-keys <keys>": { about: "leave it running", by: "ctrl-p,ctrl-q" },
} as const satisfies Flags;

/** The flag of a platform, of which there is this machine's alone. */
export const PLATFORM = {
  "--platform <platform>": {
    about: "this machine's",
    choices: ["linux", `linux/${hostPlatform().architecture}`],
  },
} as const satisfies Flags;

/** The flag of labels. */
export const LABEL = {
  "-l, --label <label>...": { about: "NAME=VALUE", as: (text: string) => pairOf(text) },
} as const satisfies Flags;

/** The flags of limits, which are of cgroups. */
export const LIMIT_FLAGS = {
  "-m, --memory <bytes>": { about: "memory at most: 512m", as: bytesOf },
  "--memory-swap <bytes>": {
    about: "of memory and swap; -1 for none of swap",
    as: (text) => (text === "-1" ? -1 : bytesOf(text)),
  },
  "--cpus <number>": { about: "processors at most: 1.5", as: cpusOf },
  "-c, --cpu-shares <weight>": {
    about: "its weight beside others, 1024 by default",
    as: integer(2),
  },
  "--cpuset-cpus <list>": "the processors it may use: 0-1",
  "--cpuset-mems <list>": "the memory nodes it may use",
  "--blkio-weight <weight>": {
    about: "its weight beside others at a disk: 10 to 1000",
    as: weightOf,
  },
  "--blkio-weight-device <limit>...": {
    about: "the same of one disk: /dev/sda:500",
    as: ofDevice(weightOf),
  },
  "--device-read-bps <limit>...": { about: "a second: /dev/sda:10mb", as: ofDevice(bytesOf) },
  "--device-write-bps <limit>...": { about: "a second: /dev/sda:10mb", as: ofDevice(bytesOf) },
  "--device-read-iops <limit>...": { about: "a second: /dev/sda:1000", as: ofDevice(integer()) },
  "--device-write-iops <limit>...": { about: "a second: /dev/sda:1000", as: ofDevice(integer()) },
  "--pids-limit <number>": { about: "processes at most; -1 for no limit", as: integer(-1) },
} as const satisfies Flags;

/** The flags of `create` and `run`. Any other of docker's is an unknown option. */
export const RUN_FLAGS = {
  ...PROCESS_FLAGS,
  ...PLATFORM,
  "-p, --publish <port>...": { about: "[[ip:]hostport:]port[/udp]", as: portsOf },
  "-P, --publish-all": "publish the image's exposed ports on free ports of the host",
  "-v, --volume <volume>...": { about: "[name|path:]path[:ro]", as: volumeOf },
  "--mount <mount>...": {
    about: "type=bind|volume|tmpfs,source=...,target=...[,readonly]",
    as: mountOf,
  },
  "--volumes-from <container>...": "all volumes of another",
  ...LABEL,
  "--annotation <annotation>...": {
    about: "NAME=VALUE for the OCI runtime: run.oci.timens_offset=...",
    as: pairOf,
  },
  "--rm": "remove it when it ends",
  "--name <name>": "its name",
  "-h, --hostname <name>": "the name it has for itself",
  "--network <name>": { about: "bridge, none, host, container:NAME, or yours", by: "bridge" },
  "--add-host <host>...": { about: "name:address for /etc/hosts", as: addedHostOf },
  "--dns <address>...": { about: "a name server", as: addressOf },
  "--dns-search <domain>...": "a search domain",
  "--dns-option <option>...": "an option of resolv.conf",
  ...LIMIT_FLAGS,
  "--oom-score-adj <number>": {
    about: "when memory is short: -1000 to 1000",
    as: integer(-1000, 1000),
  },
  "--group-add <group>...": "one more group, by name or id",
  "--cap-add <capability>...": "or ALL",
  "--cap-drop <capability>...": "or ALL",
  "--read-only": "its root cannot be written",
  "--tmpfs <place>...": { about: "path[:options]: memory there", as: tmpfsOf },
  "--shm-size <bytes>": { about: "the size of /dev/shm, 64m by default", as: bytesOf },
  "--init": "an init before the command, which reaps and passes signals on",
  "--restart <policy>": {
    about: "no, always, unless-stopped, on-failure[:N]",
    by: "no",
    as: restartOf,
  },
  "--entrypoint <program>": "in place of the image's",
  "--device <device>...": "host[:container[:rwm]], or CDI's vendor.com/class=name",
  "--ulimit <limit>...": { about: "nofile=1024:2048", as: rlimitOf },
  "--sysctl <setting>...": { about: "NAME=VALUE, of its namespaces", as: pairOf },
  "--security-opt <option>...":
    "no-new-privileges, seccomp=unconfined|FILE, systempaths=unconfined",
  "--stop-signal <signal>": {
    about: "the signal that stop sends, by name or number",
    as: stopSignalOf,
  },
  "--stop-timeout <seconds>": { about: "time between that and SIGKILL", as: integer() },
  "--health-cmd <command>": "the command that tests its health",
  "--health-interval <time>": { about: "30s", as: healthTimeOf },
  "--health-timeout <time>": { about: "30s", as: healthTimeOf },
  "--health-retries <number>": { about: "failures until it is unhealthy", as: integer(1) },
  "--health-start-period <time>": { about: "failures in this time do not count", as: healthTimeOf },
  "--health-start-interval <time>": { about: "in that time, 5s", as: healthTimeOf },
  "--no-healthcheck": "not the image's test either",
  "--pid <mode>": { about: "that of the host", choices: ["host"] },
  "--ipc <mode>": { about: "that of the host", choices: ["host"] },
  "--pull <when>": {
    about: "when to fetch the image",
    by: "missing",
    choices: ["always", "missing", "never"],
  },
} as const satisfies Flags;

export type RunFlags = Given<typeof RUN_FLAGS>;
