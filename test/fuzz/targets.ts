import type { Target } from "./target.ts";
import { bboltFile } from "./targets/bbolt-file.ts";
import { cniResult } from "./targets/cni-result.ts";
import { csiAnswer } from "./targets/csi-answer.ts";
import { deviceMessage } from "./targets/device-message.ts";
import { dnsMessage } from "./targets/dns-message.ts";
import { log } from "./targets/log.ts";
import { netlinkAnswer } from "./targets/netlink-answer.ts";
import { peerMessage } from "./targets/peer-message.ts";
import { snapshotFile } from "./targets/snapshot-file.ts";
import { transaction } from "./targets/transaction.ts";

export const TARGETS: readonly Target[] = [
  log, snapshotFile, peerMessage, transaction, cniResult, csiAnswer, deviceMessage, dnsMessage,
  netlinkAnswer, bboltFile,
];
