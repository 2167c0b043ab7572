import type { Target } from "./target.ts";
import { log } from "./targets/log.ts";
import { peerMessage } from "./targets/peer-message.ts";
import { snapshotFile } from "./targets/snapshot-file.ts";
import { transaction } from "./targets/transaction.ts";

export const TARGETS: readonly Target[] = [log, snapshotFile, peerMessage, transaction];
