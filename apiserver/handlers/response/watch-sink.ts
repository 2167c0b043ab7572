/** Where a watch's bytes go: an answer's body, or a WebSocket. */
export interface WatchSink {
  /** Returns false when it accepts no more until it has drained. */
  write(bytes: Buffer): boolean;
  end(): void;
  onDrain(resume: () => void): void;
  offDrain(resume: () => void): void;
}
