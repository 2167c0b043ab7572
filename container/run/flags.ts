import { ARCHITECTURE } from "../build/stages.ts";
import type { Flags, Given } from "../verb.ts";

/** The flags of a container's process, which `exec` has too. */
export const PROCESS_FLAGS = {
  "-i, --interactive": "keep standard input open",
  "-t, --tty": "on a terminal",
  "-u, --user <user>": "name or id, with :group",
  "-w, --workdir <dir>": "the working directory",
  "--privileged": "with all capabilities; of a container, with all devices too",
  "-e, --env <variable>...": "NAME=VALUE, or NAME for the value here",
  "--env-file <file>...": "lines of NAME=VALUE",
} as const satisfies Flags;

/** The flag of the keys by which a terminal is left. */
export const DETACH_KEYS = {
  "--detach-keys <keys>": { about: "leave it running", by: "ctrl-p,ctrl-q" },
} as const satisfies Flags;

/** The flag of a platform, of which there is this machine's alone. */
export const PLATFORM = {
  "--platform <platform>": { about: "this machine's", choices: ["linux", `linux/${ARCHITECTURE}`] },
} as const satisfies Flags;

/** The flags of limits, which are of cgroups. */
export const LIMIT_FLAGS = {
  "-m, --memory <bytes>": "memory at most: 512m",
  "--memory-swap <bytes>": "memory and swap at most; -1 for no limit of swap",
  "--cpus <number>": "processors at most: 1.5",
  "-c, --cpu-shares <weight>": "its weight beside others, 1024 by default",
  "--cpuset-cpus <list>": "the processors it may use: 0-1",
  "--cpuset-mems <list>": "the memory nodes it may use",
  "--blkio-weight <weight>": "its weight beside others that wait for a disk: 10 to 1000",
  "--blkio-weight-device <limit>...": "the same of one disk: /dev/sda:500",
  "--device-read-bps <limit>...": "bytes a second at most: /dev/sda:10mb",
  "--device-write-bps <limit>...": "bytes a second at most: /dev/sda:10mb",
  "--device-read-iops <limit>...": "operations a second at most: /dev/sda:1000",
  "--device-write-iops <limit>...": "operations a second at most: /dev/sda:1000",
  "--pids-limit <number>": "processes at most; -1 for no limit",
} as const satisfies Flags;

/** The flags of `create` and `run`. Any other of docker's is an unknown option. */
export const RUN_FLAGS = {
  ...PROCESS_FLAGS,
  ...PLATFORM,
  "-p, --publish <port>...": "[[ip:]hostport:]port[/udp]",
  "-P, --publish-all": "publish the image's exposed ports on free ports of the host",
  "-v, --volume <volume>...": "[name|path:]path[:ro]",
  "--mount <mount>...": "type=bind|volume|tmpfs,source=...,target=...[,readonly]",
  "--volumes-from <container>...": "all volumes of another",
  "-l, --label <label>...": "NAME=VALUE",
  "--annotation <annotation>...": "NAME=VALUE for the OCI runtime: run.oci.timens_offset=...",
  "--rm": "remove it when it ends",
  "--name <name>": "its name",
  "-h, --hostname <name>": "the name it has for itself",
  "--network <name>": { about: "bridge, none, host, container:NAME, or yours", by: "bridge" },
  "--add-host <host>...": "name:address for /etc/hosts",
  "--dns <address>...": "a name server",
  "--dns-search <domain>...": "a search domain",
  "--dns-option <option>...": "an option of resolv.conf",
  ...LIMIT_FLAGS,
  "--oom-score-adj <number>": "its place among those that are killed for memory: -1000 to 1000",
  "--group-add <group>...": "one more group, by name or id",
  "--cap-add <capability>...": "or ALL",
  "--cap-drop <capability>...": "or ALL",
  "--read-only": "its root cannot be written",
  "--tmpfs <place>...": "path[:options]: memory there",
  "--shm-size <bytes>": "the size of /dev/shm, 64m by default",
  "--init": "an init before the command, which reaps and passes signals on",
  "--restart <policy>": { about: "no, always, unless-stopped, on-failure[:N]", by: "no" },
  "--entrypoint <program>": "in place of the image's",
  "--device <device>...": "host[:container[:rwm]], or CDI's vendor.com/class=name",
  "--ulimit <limit>...": "nofile=1024:2048",
  "--sysctl <setting>...": "NAME=VALUE, of its namespaces",
  "--security-opt <option>...":
    "no-new-privileges, seccomp=unconfined|FILE, systempaths=unconfined",
  "--stop-signal <signal>": "the signal that stop sends, by name or number",
  "--stop-timeout <seconds>": "time between that and SIGKILL",
  "--health-cmd <command>": "the command that tests its health",
  "--health-interval <time>": "30s",
  "--health-timeout <time>": "30s",
  "--health-retries <number>": "failures until it is unhealthy",
  "--health-start-period <time>": "failures in this time do not count",
  "--health-start-interval <time>": "in that time, 5s",
  "--no-healthcheck": "not the image's test either",
  "--pid <mode>": { about: "that of the host", choices: ["host"] },
  "--ipc <mode>": { about: "that of the host", choices: ["host"] },
  "--pull <when>": {
    about: "when to fetch the image",
    by: "missing",
    choices: ["always", "missing", "never"],
  },
  "--cidfile <file>": "write its id there",
} as const satisfies Flags;

export type RunFlags = Given<typeof RUN_FLAGS>;
