//! A full or read-only disk: clear errors, nothing acknowledged is lost, and it goes on when there is room.

use std::path::PathBuf;
use std::process::Command;

use super::super::StoreError;
use super::*;

/// A small disk in memory, unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with the reason printed, where mounting is not allowed.
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let disk = Self { path, _directory: directory };
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&disk.path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(disk),
            Ok(output) => {
                println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: no mount command: {error}");
                None
            }
        }
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.path).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // a disk that is not mounted has nothing to unmount
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

/// Commits batches of 50 from restart `next` on until one fails.
fn fill(store: &Store, mut next: u32) -> (u32, StoreError) {
    loop {
        match store.commit(&[outcomes(0, next..next + 50)]) {
            Ok(()) => next += 50,
            Err(error) => return (next, error),
        }
        assert!(next < 100_000, "the disk never fills");
    }
}

#[test]
fn full_disk_loses_nothing_and_goes_on_when_freed() {
    let Some(disk) = SmallDisk::mount("12m") else { return };
    let path = disk.path.join("store");
    let ballast = disk.path.join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let (store, _) = open(&path);
    store.commit(&[sweep()]).unwrap();
    let (acknowledged, error) = fill(&store, 0);
    let StoreError::Full { free_bytes, reserve_bytes, .. } = error else { panic!("{error:?}") };
    assert!(reserve_bytes >= 2 << 20 && free_bytes < 3 << 20, "{free_bytes} free, {reserve_bytes} kept");
    assert!(matches!(
        store.commit(&[outcomes(0, acknowledged..acknowledged + 50)]),
        Err(StoreError::Full { .. })
    ));
    let content = vec![0; 1 << 20];
    assert!(matches!(store.put_data(Digest::of(&content), &content), Err(StoreError::Full { .. })));
    let rows = store.outcomes(sweep_id(), ExperimentIndex(0)).unwrap();
    assert_eq!(rows.len(), acknowledged as usize, "reads go on, and show what was acknowledged");
    std::fs::remove_file(&ballast).unwrap();
    store.commit(&[outcomes(0, acknowledged..acknowledged + 50)]).unwrap();
    drop(store);
    let (store, recovered) = open(&path);
    assert_eq!(recovered.notices, Vec::<String>::new());
    assert_eq!(done(&recovered)[&0].len() as u32, acknowledged + 50);
    assert_rows_are_right(&store, &recovered);
}

#[test]
fn disk_filled_by_others_to_the_last_byte_stops_commits_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("12m") else { return };
    let path = disk.path.join("store");
    let ballast = disk.path.join("ballast");
    let (store, _) = open(&path);
    store.commit(&[sweep(), outcomes(0, 0..500)]).unwrap();
    let fill_up = || {
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
    };
    fill_up();
    // past the check, as if the disk had filled up in the middle of a commit
    let refused = (0..1_000_u32).any(|number| {
        let key = [&b"zz"[..], &number.to_be_bytes()].concat();
        store.shared.database.write([(&key[..], &[7; 5_000][..])]).is_err()
    });
    assert!(refused, "sled wrote to a full disk");
    // sled may refuse to read what it was about to write; it must not give less
    let all_or_error = || match store.outcomes(sweep_id(), ExperimentIndex(0)) {
        Ok(rows) => assert_eq!(rows.len(), 500),
        Err(error) => assert!(matches!(error, StoreError::Full { .. } | StoreError::Io { .. }), "{error:?}"),
    };
    all_or_error();
    std::fs::remove_file(&ballast).unwrap();
    // sled does not recover from it while it is open, and neither must we pretend to
    assert!(store.commit(&[outcomes(1, 0..10)]).is_err());
    let Err(error) = store.commit(&[outcomes(1, 0..10)]) else { panic!("committed") };
    assert!(format!("{error:?}").contains("an earlier write failed"), "{error:?}");
    all_or_error();
    drop(store);

    fill_up();
    match Store::open(&path) {
        Ok((store, recovered)) => assert_rows_are_right(&store, &recovered),
        Err(error) => assert!(matches!(error, StoreError::Full { .. }), "{error:?}"),
    }
    std::fs::remove_file(&ballast).unwrap();
    let (store, recovered) = open(&path);
    assert_eq!(done(&recovered)[&0].len(), 500);
    assert_rows_are_right(&store, &recovered);
}

#[test]
fn read_only_disk_is_refused_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("16m") else { return };
    let path = disk.path.join("store");
    let (store, _) = open(&path);
    store.commit(&[sweep(), outcomes(0, 0..50)]).unwrap();
    drop(store);
    disk.remount("ro");
    let Err(error) = Store::open(&path) else { panic!("opened") };
    assert!(
        matches!(&error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem),
        "{error:?}"
    );
    assert!(Store::open(&disk.path.join("new")).is_err());
    disk.remount("rw");
    let (store, recovered) = open(&path);
    assert_eq!((recovered.notices.len(), done(&recovered)[&0].len()), (0, 50));
    assert_rows_are_right(&store, &recovered);
}
