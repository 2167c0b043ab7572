/** Types of the parts of dns-packet that this package uses. */
declare module "dns-packet" {
  export interface Question {
    name: string;
    type: string;
    class?: string;
  }

  export interface SoaData {
    mname: string;
    rname: string;
    serial: number;
    refresh: number;
    retry: number;
    expire: number;
    minimum: number;
  }

  export interface SrvData {
    priority: number;
    weight: number;
    port: number;
    target: string;
  }

  export type Answer =
    | { name: string; type: "A" | "AAAA" | "CNAME" | "PTR" | "NS"; ttl: number; data: string }
    | { name: string; type: "SRV"; ttl: number; data: SrvData }
    | { name: string; type: "SOA"; ttl: number; data: SoaData }
    | { name: string; type: "TXT"; ttl: number; data: string[] }
    | OptAnswer;

  export interface OptAnswer {
    name: string;
    type: "OPT";
    udpPayloadSize: number;
    extendedRcode: number;
    ednsVersion: number;
    flags: number;
    options: unknown[];
  }

  export interface Packet {
    id: number;
    type: "query" | "response";
    flags: number;
    opcode?: string;
    rcode?: string;
    questions: Question[];
    answers: Answer[];
    authorities: Answer[];
    additionals: Answer[];
  }

  const packet: {
    AUTHORITATIVE_ANSWER: number;
    TRUNCATED_RESPONSE: number;
    RECURSION_DESIRED: number;
    RECURSION_AVAILABLE: number;
    decode(bytes: Buffer): Packet;
    encode(packet: Packet): Buffer;
  };
  export default packet;
}
