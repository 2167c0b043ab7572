// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Bidi, Unary, ServiceTable } from "../service.ts";

export interface Hello {
  protocol: number;
  clusterId: bigint;
  from: bigint;
  to: bigint;
  peerUrls: string[];
  newestProtocol: number;
}
export const Hello: MessageType<Hello> = new MessageType("r2k.peer.v1.Hello", () => [
  { id: 1, name: "protocol", type: "uint32" },
  { id: 2, name: "clusterId", type: "uint64", bigint: true },
  { id: 3, name: "from", type: "uint64", bigint: true },
  { id: 4, name: "to", type: "uint64", bigint: true },
  { id: 5, name: "peerUrls", type: "string", repeated: true },
  { id: 6, name: "newestProtocol", type: "uint32" },
]);

export interface Frame {
  hello?: Hello | undefined;
  messages: Message[];
}
export const Frame: MessageType<Frame> = new MessageType("r2k.peer.v1.Frame", () => [
  { id: 1, name: "hello", type: () => Hello as never, optional: true },
  { id: 2, name: "messages", type: () => Message as never, repeated: true },
]);

export interface Welcome {
  protocol: number;
  clusterId: bigint;
  memberId: bigint;
}
export const Welcome: MessageType<Welcome> = new MessageType("r2k.peer.v1.Welcome", () => [
  { id: 1, name: "protocol", type: "uint32" },
  { id: 2, name: "clusterId", type: "uint64", bigint: true },
  { id: 3, name: "memberId", type: "uint64", bigint: true },
]);

export interface Message {
  term: number;
  vote?: Vote | undefined;
  voteReply?: VoteReply | undefined;
  append?: Append | undefined;
  appendReply?: AppendReply | undefined;
  heartbeat?: Heartbeat | undefined;
  heartbeatReply?: HeartbeatReply | undefined;
  propose?: Propose | undefined;
  read?: Read | undefined;
  readReply?: ReadReply | undefined;
  transfer?: Transfer | undefined;
  timeoutNow?: TimeoutNow | undefined;
}
export const Message: MessageType<Message> = new MessageType("r2k.peer.v1.Message", () => [
  { id: 1, name: "term", type: "uint64" },
  { id: 2, name: "vote", type: () => Vote as never, optional: true, oneof: "content" },
  { id: 3, name: "voteReply", type: () => VoteReply as never, optional: true, oneof: "content" },
  { id: 4, name: "append", type: () => Append as never, optional: true, oneof: "content" },
  { id: 5, name: "appendReply", type: () => AppendReply as never, optional: true, oneof: "content" },
  { id: 6, name: "heartbeat", type: () => Heartbeat as never, optional: true, oneof: "content" },
  { id: 7, name: "heartbeatReply", type: () => HeartbeatReply as never, optional: true, oneof: "content" },
  { id: 8, name: "propose", type: () => Propose as never, optional: true, oneof: "content" },
  { id: 9, name: "read", type: () => Read as never, optional: true, oneof: "content" },
  { id: 10, name: "readReply", type: () => ReadReply as never, optional: true, oneof: "content" },
  { id: 11, name: "transfer", type: () => Transfer as never, optional: true, oneof: "content" },
  { id: 12, name: "timeoutNow", type: () => TimeoutNow as never, optional: true, oneof: "content" },
]);

export interface Vote {
  pre: boolean;
  lastIndex: number;
  lastTerm: number;
  transfer: boolean;
  commit: number;
  commitTerm: number;
}
export const Vote: MessageType<Vote> = new MessageType("r2k.peer.v1.Vote", () => [
  { id: 1, name: "pre", type: "bool" },
  { id: 2, name: "lastIndex", type: "uint64" },
  { id: 3, name: "lastTerm", type: "uint64" },
  { id: 4, name: "transfer", type: "bool" },
  { id: 5, name: "commit", type: "uint64" },
  { id: 6, name: "commitTerm", type: "uint64" },
]);

export interface VoteReply {
  pre: boolean;
  granted: boolean;
  commit: number;
  commitTerm: number;
}
export const VoteReply: MessageType<VoteReply> = new MessageType("r2k.peer.v1.VoteReply", () => [
  { id: 1, name: "pre", type: "bool" },
  { id: 2, name: "granted", type: "bool" },
  { id: 3, name: "commit", type: "uint64" },
  { id: 4, name: "commitTerm", type: "uint64" },
]);

export interface Entry {
  index: number;
  term: number;
  data: Buffer;
  change: Buffer;
}
export const Entry: MessageType<Entry> = new MessageType("r2k.peer.v1.Entry", () => [
  { id: 1, name: "index", type: "uint64" },
  { id: 2, name: "term", type: "uint64" },
  { id: 3, name: "data", type: "bytes" },
  { id: 4, name: "change", type: "bytes" },
]);

export interface Append {
  prevIndex: number;
  prevTerm: number;
  entries: Entry[];
  commit: number;
}
export const Append: MessageType<Append> = new MessageType("r2k.peer.v1.Append", () => [
  { id: 1, name: "prevIndex", type: "uint64" },
  { id: 2, name: "prevTerm", type: "uint64" },
  { id: 3, name: "entries", type: () => Entry as never, repeated: true },
  { id: 4, name: "commit", type: "uint64" },
]);

export interface AppendReply {
  index: number;
  reject: boolean;
  hintIndex: number;
  hintTerm: number;
}
export const AppendReply: MessageType<AppendReply> = new MessageType("r2k.peer.v1.AppendReply", () => [
  { id: 1, name: "index", type: "uint64" },
  { id: 2, name: "reject", type: "bool" },
  { id: 3, name: "hintIndex", type: "uint64" },
  { id: 4, name: "hintTerm", type: "uint64" },
]);

export interface Heartbeat {
  commit: number;
  readId: number;
}
export const Heartbeat: MessageType<Heartbeat> = new MessageType("r2k.peer.v1.Heartbeat", () => [
  { id: 1, name: "commit", type: "uint64" },
  { id: 2, name: "readId", type: "uint64" },
]);

export interface HeartbeatReply {
  readId: number;
  commit: number;
  commitTerm: number;
}
export const HeartbeatReply: MessageType<HeartbeatReply> = new MessageType("r2k.peer.v1.HeartbeatReply", () => [
  { id: 1, name: "readId", type: "uint64" },
  { id: 2, name: "commit", type: "uint64" },
  { id: 3, name: "commitTerm", type: "uint64" },
]);

export interface Propose {
  data: Buffer[];
  change: Buffer;
}
export const Propose: MessageType<Propose> = new MessageType("r2k.peer.v1.Propose", () => [
  { id: 1, name: "data", type: "bytes", repeated: true },
  { id: 2, name: "change", type: "bytes" },
]);

export interface Read {
  readId: number;
}
export const Read: MessageType<Read> = new MessageType("r2k.peer.v1.Read", () => [
  { id: 1, name: "readId", type: "uint64" },
]);

export interface ReadReply {
  readId: number;
  index: number;
}
export const ReadReply: MessageType<ReadReply> = new MessageType("r2k.peer.v1.ReadReply", () => [
  { id: 1, name: "readId", type: "uint64" },
  { id: 2, name: "index", type: "uint64" },
]);

export interface Transfer {
  transferee: bigint;
}
export const Transfer: MessageType<Transfer> = new MessageType("r2k.peer.v1.Transfer", () => [
  { id: 1, name: "transferee", type: "uint64", bigint: true },
]);

export type TimeoutNow = Record<never, never>;
export const TimeoutNow: MessageType<TimeoutNow> = new MessageType("r2k.peer.v1.TimeoutNow", () => [
]);

export interface SnapshotPart {
  hello?: Hello | undefined;
  offer?: SnapshotOffer | undefined;
  data: Buffer;
}
export const SnapshotPart: MessageType<SnapshotPart> = new MessageType("r2k.peer.v1.SnapshotPart", () => [
  { id: 1, name: "hello", type: () => Hello as never, optional: true },
  { id: 2, name: "offer", type: () => SnapshotOffer as never, optional: true },
  { id: 3, name: "data", type: "bytes" },
]);

export interface SnapshotOffer {
  leaderTerm: number;
  index: number;
  term: number;
  bytes: number;
  crc: number;
}
export const SnapshotOffer: MessageType<SnapshotOffer> = new MessageType("r2k.peer.v1.SnapshotOffer", () => [
  { id: 1, name: "leaderTerm", type: "uint64" },
  { id: 2, name: "index", type: "uint64" },
  { id: 3, name: "term", type: "uint64" },
  { id: 4, name: "bytes", type: "uint64" },
  { id: 5, name: "crc", type: "uint32" },
]);

export interface SnapshotProgress {
  offset: number;
  done: boolean;
}
export const SnapshotProgress: MessageType<SnapshotProgress> = new MessageType("r2k.peer.v1.SnapshotProgress", () => [
  { id: 1, name: "offset", type: "uint64" },
  { id: 2, name: "done", type: "bool" },
]);

export interface Question {
  hello?: Hello | undefined;
  kind: string;
  body: Buffer;
}
export const Question: MessageType<Question> = new MessageType("r2k.peer.v1.Question", () => [
  { id: 1, name: "hello", type: () => Hello as never, optional: true },
  { id: 2, name: "kind", type: "string" },
  { id: 3, name: "body", type: "bytes" },
]);

export interface Answer {
  body: Buffer;
}
export const Answer: MessageType<Answer> = new MessageType("r2k.peer.v1.Answer", () => [
  { id: 1, name: "body", type: "bytes" },
]);

export type MembersRequest = Record<never, never>;
export const MembersRequest: MessageType<MembersRequest> = new MessageType("r2k.peer.v1.MembersRequest", () => [
]);

export interface Members {
  protocol: number;
  clusterId: bigint;
  members: PeerMember[];
}
export const Members: MessageType<Members> = new MessageType("r2k.peer.v1.Members", () => [
  { id: 1, name: "protocol", type: "uint32" },
  { id: 2, name: "clusterId", type: "uint64", bigint: true },
  { id: 3, name: "members", type: () => PeerMember as never, repeated: true },
]);

export interface PeerMember {
  ID: bigint;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}
export const PeerMember: MessageType<PeerMember> = new MessageType("r2k.peer.v1.PeerMember", () => [
  { id: 1, name: "ID", type: "uint64", bigint: true },
  { id: 2, name: "name", type: "string" },
  { id: 3, name: "peerUrls", type: "string", repeated: true },
  { id: 4, name: "clientUrls", type: "string", repeated: true },
  { id: 5, name: "isLearner", type: "bool" },
]);

export interface PeerMethods {
  exchange: Bidi<Frame, Welcome>;
  snapshot: Bidi<SnapshotPart, SnapshotProgress>;
  ask: Unary<Question, Answer>;
  members: Unary<MembersRequest, Members>;
}
export const Peer = {
  fullName: "r2k.peer.v1.Peer",
  methods: {
    exchange: {
      name: "Exchange",
      request: Frame,
      response: Welcome,
      clientStream: true,
      serverStream: true,
    },
    snapshot: {
      name: "Snapshot",
      request: SnapshotPart,
      response: SnapshotProgress,
      clientStream: true,
      serverStream: true,
    },
    ask: {
      name: "Ask",
      request: Question,
      response: Answer,
      clientStream: false,
      serverStream: false,
    },
    members: {
      name: "Members",
      request: MembersRequest,
      response: Members,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<PeerMethods>;
