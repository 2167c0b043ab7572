/** A file system that a server exports: tests change it through NFS alone, at `CLIENT`. */
const EXPORTED = "/run/exp";
export const CLIENT = "/run/client";
export const GANESHA_PID = "/run/ganesha/pid";

/** A server in a guest: the shell lines that start it, and the share that it has. */
export interface GuestServer {
  start: string;
  share: string;
  /** The same directory by NFS 3, where the server has that. */
  share3?: string;
}

const DISK = [
  "truncate -s 512M /run/disk", "mkfs.ext4 -q /run/disk",
  `mkdir -p ${EXPORTED} ${CLIENT}`, `mount -o loop /run/disk ${EXPORTED}`,
];

/** The configuration of nfs-ganesha with one share; `recovery` is a folder of its own. */
export const ganeshaConfig = (exported: string, share: string, recovery: string) => `
NFS_CORE_PARAM { Protocols = 4; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { Graceless = true; Only_Numeric_Owners = true; RecoveryRoot = ${recovery}; }
EXPORT {
  Export_Id = 1; Path = ${exported}; Pseudo = ${share}; Access_Type = RW;
  Squash = No_Root_Squash; SecType = sys; Protocols = 4; FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`;

/** nfs-ganesha, a server in user space: NFS 4.0 to 4.2. */
export const GANESHA: GuestServer = {
  share: "/exp",
  start: [
    ...DISK,
    "mkdir -p /run/ganesha /run/recovery",
    `cat > /run/ganesha.conf <<'END'\n${ganeshaConfig(EXPORTED, "/exp", "/run/recovery")}END`,
    `ganesha.nfsd -f /run/ganesha.conf -L /run/ganesha.log -p ${GANESHA_PID}`,
    "while ! grep -q 'NFS SERVER INITIALIZED' /run/ganesha.log; do sleep 0.1; done",
    `mount -i -t nfs -o vers=4.2,addr=127.0.0.1,noac,lookupcache=none 127.0.0.1:/exp ${CLIENT}`,
  ].join("\n"),
};

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
    "rpc.nfsd 8",
    "echo Y > /proc/fs/nfsd/v4_end_grace",
    `mount -i -t nfs -o vers=4.2,addr=127.0.0.1,noac,lookupcache=none 127.0.0.1:/ ${CLIENT}`,
  ].join("\n"),
};
