"""One tree of errors.

    JianzhengError
    ├── SettingsError            a setting or cameras.yaml cannot be used as written
    ├── SourceError              a camera or desktop does not deliver
    │   ├── SourceUnreachable    nothing answers there, or it stopped answering    (retry helps)
    │   │   ├── NetworkDown      nothing comes back from its address               (retry helps)
    │   │   ├── NotListening     its address answers, but nothing listens at the port  (retry helps)
    │   │   ├── NotAnswering     it takes the connection and answers no request    (retry helps)
    │   │   ├── SendsNoPicture   it is connected and sends no picture              (retry helps)
    │   │   └── NotCalling       a device that is to call us has not called        (retry helps)
    │   ├── SourceSendsGarbage   what it sends cannot be decoded                   (retry helps)
    │   │   └── NoKeyFrames      pictures come, but none to begin with             (retry helps)
    │   ├── SourceRefused        the device refuses these credentials
    │   │   └── CertificateRefused  its certificate is not the one that is trusted
    │   ├── SourceNotFound       the device has no such stream
    │   ├── SourceHasNoVideo     the stream carries no video
    │   ├── CodecUnsupported     the stream's codec cannot be recorded
    │   ├── SourceProtocolError  the device breaks the protocol                    (retry helps)
    │   └── TimestampDiscontinuity  its time stamps jumped: a new run is needed    (retry helps)
    ├── FootageError             a file of footage is damaged or not what its row says
    │   ├── BoxError             bytes that are not the MP4 boxes they should be
    │   ├── FootageConflict      other footage has that id already
    │   ├── FootageTooEarly      it is dated in the future of this clock               (retry helps)
    │   └── IntakeRefused        a file handed in cannot be taken into the ring
    ├── DocumentRefused          a document handed in is not taken in
    ├── TimelineError            a project's timeline cannot be used as written
    │   ├── EventReplaced        an event to be put right was put right already
    │   ├── TimelineChanged      a session changed while it was being looked at        (retry helps)
    │   ├── EndsBeforeStart      a session would end before it starts
    │   ├── BookingOver          what is booked is over already
    │   ├── BookingTooLong       a room is booked for longer than anybody books it
    │   └── InFuture             an event is told of before it happens
    ├── EncodeError              a clip could not be encoded                           (retry helps)
    ├── TimeStampUnavailable     the time stamp authority gives no stamp               (retry helps)
    ├── StorageError             a disk or object store does not do its duty
    │   ├── DiskFull             no room left                                      (retry helps)
    │   ├── DiskLost             the ring's disk is gone or another one is there   (retry helps)
    │   ├── ObjectExists         that key is taken; keys are never overwritten (invariant 9)
    │   ├── ObjectMissing        no object has that key
    │   ├── ObjectLocked         retention or a legal hold forbids to delete it
    │   ├── NotProtected         this store cannot lock or hold objects
    │   ├── StoreUnreachable     the object store does not answer, or not in time  (retry helps)
    │   ├── StoreMisbehaves      its answer is not what was asked for              (retry helps)
    │   ├── StoreRefuses         it refuses these credentials
    │   │   ├── StoreCertificateRefused  its certificate is not trusted
    │   │   └── ClocksDisagree   its clock and this machine's differ too much
    │   ├── BucketMissing        it has no such bucket
    │   └── FixityError          bytes and checksum disagree
    ├── RecorderError            an agent's recorder does not take what it sends           (retry helps)
    │   ├── RecorderUnreachable  nothing answers there                             (retry helps)
    │   ├── RecorderRefuses      certificate or token are wrong
    │   ├── SegmentRefused       the recorder will not take this segment
    │   └── SegmentNotYet        nor this one now, but perhaps later               (retry helps)
    ├── AccountError             an account cannot be used or changed so
    ├── CatalogError             the catalogue cannot be used
    │   ├── CatalogUnreachable   its server does not answer                        (retry helps)
    │   ├── CatalogBusy          others use what this needs                        (retry helps)
    │   ├── SearchRefused        a search makes no sense as asked
    │   │   ├── UnknownCode      it names a region or industry that there is not
    │   │   ├── NameTaken        a search of that name is saved already
    │   │   └── PageRefused      its page mark is not one that was given out for it
    │   ├── RequestError         a request to use an archive makes no sense
    │   │   └── RequestDenied    nobody may ask for this, or decide it, so
    │   ├── RetentionRefused     how long something is kept cannot be said so
    │   │   └── DisposalRefused  nothing is destroyed so
    │   ├── SupervisionRefused   a directive, a presence or an alert cannot be told so
    │   │   ├── SeenToAlready    somebody answered it, closed it or took notice before
    │   │   └── NothingRuns      no session runs, as this needs
    │   ├── WitnessRefused       a witness record cannot be told so
    │   ├── WatchRefused         a watch cannot be told of, or used, so
    │   └── OverrideRefused      a check-up cannot be overridden so
    └── ServerError              the server cannot start as asked

The class docstring is the default message. ``hint`` says what a person can do; ``retryable`` says whether
trying the same again can help. No message carries a password (invariant 16): build URIs for messages with
``kernel.settings.public_uri``.
"""

from __future__ import annotations

from typing import ClassVar


class JianzhengError(Exception):
    """Something went wrong."""

    hint: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (self.__class__.__doc__ or "").strip()
        self.remedy = hint if hint is not None else self.hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(JianzhengError):
    """A setting cannot be used as written."""

    hint = "Correct it and start again."


class SourceError(JianzhengError):
    """The source does not deliver."""


class SourceUnreachable(SourceError):
    """Nothing answers at the source's address."""

    hint = "Check the device's power, cable and address; recording resumes by itself."
    retryable = True


class NetworkDown(SourceUnreachable):
    """Nothing comes back from the source's address."""

    hint = "Check the network between recorder and device; recording resumes by itself."


class NotListening(SourceUnreachable):
    """Nothing listens at the source's port."""

    hint = "Check address and port, and whether the device offers RTSP; recording resumes by itself."


class NotAnswering(SourceUnreachable):
    """The source takes the connection and answers no request."""

    hint = "Restart the device if this goes on; recording resumes by itself."


class SendsNoPicture(SourceUnreachable):
    """The source is connected and sends no picture."""

    hint = "Restart the device if this goes on; recording resumes by itself."


class NotCalling(SourceUnreachable):
    """A device that is to call has not called."""

    hint = "Set the device to push to this machine, to the path of the source's uri."


class SourceSendsGarbage(SourceError):
    """The source sends what cannot be decoded."""

    hint = "Restart the device if this goes on; recording is tried again by itself."
    retryable = True


class NoKeyFrames(SourceSendsGarbage):
    """The source sends pictures, but none from which decoding can begin."""

    hint = "Set the device's key-frame interval to 1 to 2 s, and switch off its smart codec."


class SourceRefused(SourceError):
    """The device refuses the credentials."""

    hint = "Correct username and password of this source in cameras.yaml."


class CertificateRefused(SourceRefused):
    """The device's certificate is not the one that is trusted."""

    hint = "Compare its fingerprint at the device, then write it as certificate_sha256 in cameras.yaml."


class SourceNotFound(SourceError):
    """The device has no stream of that path."""

    hint = "Correct the path in the source's uri in cameras.yaml."


class SourceHasNoVideo(SourceError):
    """The stream carries no video."""

    hint = "Choose the device's video stream in the source's uri."


class CodecUnsupported(SourceError):
    """The stream's codec cannot be recorded."""

    hint = "Set the device to H.264 or H.265."


class SourceProtocolError(SourceError):
    """The device breaks the protocol."""

    hint = "Update the device's firmware if this goes on; recording is tried again by itself."
    retryable = True


class TimestampDiscontinuity(SourceError):
    """The source's time stamps jumped."""

    hint = "A new run is started by itself."
    retryable = True


class FootageError(JianzhengError):
    """A file of footage is damaged or not what its row says."""

    hint = "It is kept as it is; run 'jianzheng check' for the list."


class BoxError(FootageError):
    """The bytes are not the MP4 boxes they should be."""


class FootageConflict(FootageError):
    """Other footage has that id already."""

    hint = "Nothing was overwritten; both are kept where they are. Compare them."


class FootageTooEarly(FootageError):
    """The footage is dated in the future."""

    hint = "Try again later; if this goes on, set this machine's clock right."
    retryable = True


class IntakeRefused(FootageError):
    """The file cannot be taken in."""

    hint = "Nothing of it was taken; the ring is as it was."


class DocumentRefused(JianzhengError):
    """The document is not taken in."""

    hint = "Nothing of it was kept."


class TimelineError(JianzhengError):
    """The timeline cannot be used as written."""

    hint = "Nothing of it was recorded; put it right and try again."


class EventReplaced(TimelineError):
    """Another event has put this one right already."""


class TimelineChanged(TimelineError):
    """The session changed while it was being looked at."""

    hint = "Nothing was recorded; it is looked at again by itself."
    retryable = True


class EndsBeforeStart(TimelineError):
    """A session cannot end before it starts."""

    hint = "Correct its start event, or report the true time of its end."


class BookingOver(TimelineError):
    """What is over cannot be booked."""

    hint = "Check day, month and year; nothing was booked."


class BookingTooLong(TimelineError):
    """Nobody books a room for so long."""

    hint = "Check day, month and year; nothing was booked."


class InFuture(TimelineError):
    """An event cannot be recorded before it happens."""

    hint = "Check its date and zone, and the clock of whoever reports it."


class EncodeError(JianzhengError):
    """The clip could not be encoded."""

    hint = "The originals stay in the ring; the archive is tried again."
    retryable = True


class TimeStampUnavailable(JianzhengError):
    """The time stamp authority gives no time stamp."""

    hint = "Check archive.tsa_url and the way to it; it is tried again by itself, and nothing is lost."
    retryable = True


class StorageError(JianzhengError):
    """The storage does not do its duty."""


class DiskFull(StorageError):
    """The disk is full."""

    hint = "Free space on it or give it more; recording resumes by itself."
    retryable = True


class DiskLost(StorageError):
    """The ring's disk is gone, or another one is in its place."""

    hint = (
        "Mount the disk that the ring is on; recording resumes by itself. A new disk: 'jianzheng ring adopt'."
    )
    retryable = True


class ObjectExists(StorageError):
    """An object with that key exists; keys are never overwritten."""

    hint = "Store it under a new version."


class ObjectMissing(StorageError):
    """No object has that key."""

    hint = "Run 'jianzheng check' to see what else is missing."


class ObjectLocked(StorageError):
    """Retention or a legal hold forbids to delete the object."""

    hint = "It can be deleted when its retention has ended and no hold is on it."


class NotProtected(StorageError):
    """This store cannot lock or hold objects."""

    hint = "Use a bucket that was made with object lock; 'jianzheng doctor' shows what a store protects."


class StoreUnreachable(StorageError):
    """The object store does not answer."""

    hint = "Check store.endpoint and the network to it; what is not stored yet stays here and is tried again."
    retryable = True


class StoreMisbehaves(StorageError):
    """The object store answers something else than what was asked for."""

    hint = "Look at the store and at what lies between; nothing counts as stored before it is read back."
    retryable = True


class StoreRefuses(StorageError):
    """The object store refuses these credentials."""

    hint = "Correct store.access_key and store.secret_key, or give them the right to do this in the bucket."


class StoreCertificateRefused(StoreRefuses):
    """The object store's certificate is not trusted."""

    hint = "Name its authority as store.ca_file, and in store.endpoint the host that it was issued for."


class ClocksDisagree(StoreRefuses):
    """The object store's clock and this machine's differ too much."""

    hint = "Set both clocks right by NTP: a request is taken only near the time that it was signed at."


class BucketMissing(StorageError):
    """The object store has no such bucket."""

    hint = "Correct store_url, or make the bucket, with versioning and object lock."


class FixityError(StorageError):
    """Bytes and checksum disagree."""

    hint = "Restore the object from another copy; run 'jianzheng check' to see what else is hurt."


class RecorderError(JianzhengError):
    """The recorder does not take what the agent sends."""

    hint = "Everything is kept here and sent again by itself."
    retryable = True


class RecorderUnreachable(RecorderError):
    """The recorder does not answer."""

    hint = "Recording goes on; what is recorded is sent as soon as it answers."


class RecorderRefuses(RecorderError):
    """The recorder and this agent do not know each other."""

    hint = "Correct token and certificate_sha256 in agent.toml; 'jianzheng enrol' writes them."
    retryable = False


class SegmentRefused(RecorderError):
    """The recorder will not have a segment."""

    hint = "It is kept here; show this to whoever runs the recorder."
    retryable = False


class SegmentNotYet(RecorderError):
    """The recorder will not have a segment now."""

    hint = "It is kept here and sent again later."


class AccountError(JianzhengError):
    """An account cannot be used or changed so."""


class CatalogError(JianzhengError):
    """The catalogue cannot be used."""

    hint = "Run 'jianzheng doctor'."


class CatalogUnreachable(CatalogError):
    """The catalogue's server does not answer."""

    hint = "Check that it runs, and address, role and password in database_url; 'jianzheng doctor' says more."
    retryable = True


class CatalogBusy(CatalogError):
    """Others are using what this needs of the catalogue."""

    hint = "Try again; if this goes on, see which program holds it up."
    retryable = True


class SearchRefused(CatalogError):
    """This search makes no sense."""

    hint = "Correct what is asked for."


class UnknownCode(SearchRefused):
    """The catalogue knows no such code."""

    hint = "See the tables of regions and industries for the codes that there are."

    def __init__(self, message: str | None = None, *, hint: str | None = None, code: str = "") -> None:
        super().__init__(message or (f"There is no region or industry {code}." if code else None), hint=hint)
        self.code = code


class NameTaken(SearchRefused):
    """A search of that name is saved already."""

    hint = "Name it otherwise."


class PageRefused(SearchRefused):
    """The page mark was not given out for this search."""

    hint = "Begin with the first page, without a mark."


class RetentionRefused(CatalogError):
    """How long it is kept cannot be said so."""

    hint = "Nothing was changed."


class DisposalRefused(RetentionRefused):
    """It cannot be destroyed so."""

    hint = "Nothing was destroyed; what was tried is recorded."


class SupervisionRefused(CatalogError):
    """A directive, a presence or an alert cannot be told so."""


class WitnessRefused(CatalogError):
    """A witness record cannot be told so."""

    hint = "Load the record again: somebody else may have entered something."


class WatchRefused(CatalogError):
    """This watch cannot be used."""

    hint = "Open the page anew."


class SeenToAlready(SupervisionRefused):
    """Somebody has seen to it already."""


class NothingRuns(SupervisionRefused):
    """No session runs: none can be paused or resumed, and nobody is there from afar."""

    hint = "Name a session that runs."


class OverrideRefused(CatalogError):
    """The check-up cannot be overridden."""

    hint = "Check the room again, or see who overrode it."


class RequestError(CatalogError):
    """The request makes no sense."""

    hint = "Nothing was recorded; put it right and try again."


class RequestDenied(RequestError):
    """Nobody may ask for this, or decide it, so."""

    hint = "Nothing was given out; the attempt is recorded."


class ServerError(JianzhengError):
    """The server cannot start as asked."""
