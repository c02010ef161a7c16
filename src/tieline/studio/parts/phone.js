// A telephone in the browser: the microphone to the server and its answer to the loudspeaker, by WebRTC, G.711 first.
// Events: `offer` (SDP), `trouble` (a sentence), `gone`, `key` (a digit). Methods: dial, accept, mute, hangUp.
const KEYS = "0123456789*#";
const GATHER_MS = 1500;

export default {
  template: `
    <div class="tl-phone">
      <div class="tl-phone-level">
        <span class="tl-muted tl-small">You</span>
        <div class="tl-meter" role="meter" aria-label="Level of your microphone" aria-valuemin="0" aria-valuemax="100"
             :aria-valuenow="mine"><span :style="{width: mine + '%'}"></span></div>
      </div>
      <div class="tl-phone-level">
        <span class="tl-muted tl-small">Agent</span>
        <div class="tl-meter" role="meter" aria-label="Level of the agent's voice" aria-valuemin="0"
             aria-valuemax="100" :aria-valuenow="theirs"><span :style="{width: theirs + '%'}"></span></div>
      </div>
      <audio ref="sound" autoplay></audio>
    </div>`,
  data() { return { mine: 0, theirs: 0 }; },
  mounted() {
    this.heard = 0;
    this.onKey = (event) => {
      const focus = document.activeElement;
      const typing = focus && (focus.matches("input, textarea, select") || focus.isContentEditable);
      if (typing || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
      if (this.peer && KEYS.includes(event.key)) this.$emit("key", event.key);
    };
    this.onLeave = () => this.hangUp();
    document.addEventListener("keydown", this.onKey);
    window.addEventListener("pagehide", this.onLeave);
  },
  unmounted() {
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("pagehide", this.onLeave);
    this.hangUp();
  },
  methods: {
    async dial() {
      this.hangUp();
      if (!navigator.mediaDevices || !window.RTCPeerConnection) {
        this.$emit("trouble", "This browser gives pages no microphone here. Open the studio by HTTPS or on localhost.");
        return;
      }
      try {
        this.stream = await navigator.mediaDevices.getUserMedia({
          audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
        });
      } catch (error) {
        const denied = error.name === "NotAllowedError";
        this.$emit("trouble", denied
          ? "The browser was not allowed to use the microphone. Allow it for this page and call again."
          : `No microphone could be opened (${error.name}).`);
        return;
      }
      try {
        const peer = this.peer = new RTCPeerConnection({ iceServers: [] });
        peer.addEventListener("track", (event) => this.play(peer, event.streams[0] || new MediaStream([event.track])));
        peer.addEventListener("connectionstatechange", () => {
          if (peer === this.peer && ["failed", "closed"].includes(peer.connectionState)) {
            this.hangUp();
            this.$emit("gone");
          }
        });
        this.stream.getTracks().forEach((track) => peer.addTrack(track, this.stream));
        await peer.setLocalDescription(await peer.createOffer());
        await this.gathered(peer);
        if (peer !== this.peer) return;
        this.watchLevels();
        this.$emit("offer", peer.localDescription.sdp);
      } catch (error) {
        this.hangUp();
        this.$emit("trouble", `The browser could not prepare the call (${error.name}).`);
      }
    },
    gathered(peer) {
      return new Promise((done) => {
        const check = () => { if (peer.iceGatheringState === "complete") done(); };
        peer.addEventListener("icegatheringstatechange", check);
        setTimeout(done, GATHER_MS);
        check();
      });
    },
    async accept(sdp) {
      if (!this.peer) return;
      try {
        await this.peer.setRemoteDescription({ type: "answer", sdp });
      } catch (error) {
        this.hangUp();
        this.$emit("trouble", `The browser did not take the server's answer (${error.name}).`);
      }
    },
    play(peer, stream) {
      if (peer !== this.peer) return;
      this.$refs.sound.srcObject = stream;
      this.theirsMeter = this.meter(stream);
    },
    mute(muted) {
      if (this.stream) this.stream.getAudioTracks().forEach((track) => { track.enabled = !muted; });
    },
    meter(stream) {
      const analyser = this.context.createAnalyser();
      analyser.fftSize = 512;
      this.context.createMediaStreamSource(stream).connect(analyser);
      return { analyser, samples: new Float32Array(analyser.fftSize) };
    },
    watchLevels() {
      this.context = new AudioContext();
      this.context.resume();
      this.mineMeter = this.meter(this.stream);
      this.levels = setInterval(() => {
        this.mine = this.level(this.mineMeter);
        this.theirs = this.level(this.theirsMeter);
        this.heard = Math.max(this.heard, this.theirs);
      }, 80);
    },
    // Loudness as a share of a scale from -50 dB to 0 dB of full.
    level(meter) {
      if (!meter) return 0;
      meter.analyser.getFloatTimeDomainData(meter.samples);
      const power = meter.samples.reduce((sum, value) => sum + value * value, 0) / meter.samples.length;
      const decibels = 10 * Math.log10(power + 1e-10);
      return Math.max(0, Math.min(100, Math.round((decibels + 50) * 2)));
    },
    hangUp() {
      clearInterval(this.levels);
      const { peer, stream, context } = this;
      this.peer = this.stream = this.context = this.mineMeter = this.theirsMeter = null;
      if (peer) peer.close();
      if (stream) stream.getTracks().forEach((track) => track.stop());
      if (context) context.close();
      this.mine = this.theirs = 0;
    },
  },
};
