/** A file system that a server exports: tests change it through NFS alone, at `CLIENT`. */
const EXPORTED = "/run/exp";
export const CLIENT = "/run/client";
export const GANESHA_PID = "/run/ganesha/pid";

/** A server in a guest: shell lines, and the share that it has. */
export interface GuestServer {
  /** Starts it in a new guest. */
  start: string;
  /** Ends it, so that its port is closed, and starts it again: it has no state of its clients. */
  stop: string;
  restart: string;
  /** A second server of the same file system, and the mount option that leads to it. */
  other?: { server: string; option: string };
  share: string;
  /** The same directory by NFS 3, where the server has that. */
  share3?: string;
}

const DISK = [
  "truncate -s 512M /run/disk",
  "mkfs.ext4 -q /run/disk",
  `mkdir -p ${EXPORTED} ${CLIENT}`,
  `mount -o loop /run/disk ${EXPORTED}`,
];

/** The configuration of nfs-ganesha with one share; `recovery` is a folder of its own. */
export const ganeshaConfig = (exported: string, share: string, recovery: string, port = 2049) => `
NFS_CORE_PARAM { Protocols = 4; Enable_NLM = false; Enable_RQUOTA = false; NFS_Port = ${port}; }
NFSV4 { Graceless = true; Only_Numeric_Owners = true; RecoveryRoot = ${recovery}; }
EXPORT {
  Export_Id = 1; Path = ${exported}; Pseudo = ${share}; Access_Type = RW;
  Squash = No_Root_Squash; SecType = sys; Protocols = 4; FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`;

const OTHER_PORT = 2050;

/** Writes the configuration of a nfs-ganesha and creates its folders below /run. */
const configured = (name: string, port?: number) => {
  const config = ganeshaConfig(EXPORTED, "/exp", `/run/${name}-recovery`, port);
  return [
    `mkdir -p /run/${name} /run/${name}-recovery`,
    `cat > /run/${name}.conf <<'END'\n${config}END`,
  ];
};

/** Starts one and waits until it serves. */
const run = (name: string, flags = "") => [
  `rm -f /run/${name}.log`,
  `ganesha.nfsd -f /run/${name}.conf -L /run/${name}.log -p /run/${name}/pid ${flags}`,
  `while ! grep -qs 'NFS SERVER INITIALIZED' /run/${name}.log; do sleep 0.1; done`,
];

/** nfs-ganesha, a server in user space: NFS 4.0 to 4.2. */
export const GANESHA: GuestServer = {
  share: "/exp",
  other: { server: "127.0.0.2", option: `port=${OTHER_PORT}` },
  start: [
    ...DISK,
    ...configured("ganesha"),
    ...run("ganesha"),
    ...configured("other", OTHER_PORT),
    // By their epoch: an NFS 4 client takes two servers with the same client id for one.
    ...run("other", "-E 1000"),
    `mount -i -t nfs -o vers=4.2,addr=127.0.0.1,noac,lookupcache=none 127.0.0.1:/exp ${CLIENT}`,
  ].join("\n"),
  stop: [
    `pid=$(cat ${GANESHA_PID})`,
    "kill -KILL $pid",
    "while kill -0 $pid 2> /dev/null; do sleep 0.1; done",
  ].join("\n"),
  restart: run("ganesha").join("\n"),
};

/** Starts the kernel's server. Clients do not wait for its grace period (RFC 8881, 8.4.2). */
const RUN_NFSD = ["rpc.nfsd 8", "echo Y > /proc/fs/nfsd/v4_end_grace"];

/** The kernel's server: NFS 3 and 4.0 to 4.2. */
export const NFSD: GuestServer = {
  share: "/",
  share3: EXPORTED,
  start: [
    ...DISK,
    "mount -t tmpfs tmpfs /var/lib/nfs",
    "mkdir -p /var/lib/nfs/sm /var/lib/nfs/v4recovery",
    "touch /var/lib/nfs/etab /var/lib/nfs/rmtab",
    "mount -t nfsd nfsd /proc/fs/nfsd",
    "rpcbind -w",
    `exportfs -o rw,no_root_squash,no_subtree_check,fsid=0 '*:${EXPORTED}'`,
    "rpc.mountd -p 20048",
    ...RUN_NFSD,
    `mount -i -t nfs -o vers=4.2,addr=127.0.0.1,noac,lookupcache=none 127.0.0.1:/ ${CLIENT}`,
  ].join("\n"),
  stop: "rpc.nfsd 0",
  restart: RUN_NFSD.join("\n"),
};
